import { readSync, writeSync } from 'node:fs'
import { isFailure } from '@holdfast/base/failure'
import type { GenerationIndex, HeldLease } from '@holdfast/generations/index/generation-index'
import { SqliteGenerationIndex } from '@holdfast/generations/index/sqlite-generation-index'
import { commitOn, type Parent } from './generation-index-fixture.ts'

/** Says at once, so that a kill right after still leaves the line in the pipe. */
function say(...words: readonly (string | number)[]): void {
  writeSync(1, `${words.join(' ')}\n`)
}

async function headOf(index: GenerationIndex, workspace: string): Promise<Parent> {
  const { head } = await index.workspace(workspace)
  return head === null ? null : await index.generation(head)
}

/** Appends until `count` commits are in or one is refused; says `ack EPOCH ID` or `refused EPOCH CODE`. */
async function appendUnder(index: GenerationIndex, lease: HeldLease, count: number): Promise<void> {
  for (let made = 0; made < count; made += 1) {
    const parent = await headOf(index, lease.workspace)
    const commit = commitOn(lease, parent, { message: `${process.pid}.${made}` })
    try {
      await index.append(lease, commit)
      say('ack', lease.epoch, commit.id)
    } catch (error) {
      if (!isFailure(error, 'lease-lost', 'head-moved')) throw error
      say('refused', lease.epoch, error.code)
      if (error.code === 'lease-lost') return
    }
  }
}

/** `node append-loop-child.ts PATH WORKSPACE ROUNDS APPENDS`: once its input ends, acquires and appends in rounds. */
async function main(path: string, workspace: string, counts: readonly number[]): Promise<void> {
  const [rounds = 1, appends = 1] = counts
  await using index = await SqliteGenerationIndex.open({ path })
  say('ready')
  readSync(0, new Uint8Array(1))
  for (let round = 0; round < rounds; round += 1)
    await appendUnder(index, await index.acquire(workspace), appends)
  say('done')
}

const [path = '', workspace = '', ...counts] = process.argv.slice(2)
await main(path, workspace, counts.map(Number))
