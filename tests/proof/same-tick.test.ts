import assert from 'node:assert/strict'
import { closeSync, lstatSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { CommittedGeneration } from '@holdfast/generations/commit/committer'
import { type CommittedCaptures, Engine } from './engine.ts'
import { type CapturedVolume, ProvingGround } from './proving-ground.ts'

const ATTEMPTS_MAX = 500
/** Longer than the engine takes a clock to stand still: a commit that starts so late must know when the capture was. */
const LATE_MS = 100

/** Makes a file or database of one size and returns where its bytes may be overwritten. */
type Make = (path: string) => number

function makeFile(path: string): number {
  writeFileSync(path, Buffer.alloc(9000, 'before'))
  return 5000
}

/** Its second page is all blob but for a few bytes at its ends. */
function makeDatabase(path: string): number {
  const database = new DatabaseSync(path)
  database.exec('PRAGMA page_size=4096; CREATE TABLE t(b BLOB); INSERT INTO t VALUES (zeroblob(9000))')
  database.close()
  return statSync(path).size - 2000
}

/**
 * Overwrites bytes right after a capture, until the kernel gives file and capture the same times: then no stat field
 * tells the two apart. Commits the capture late, then a second one.
 */
async function commitAroundOneTick(
  volume: CapturedVolume,
  history: CommittedCaptures,
  make: Make,
): Promise<{ path: string; generation: CommittedGeneration }> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const name = `file-${attempt}`
    const path = join(volume.path, name)
    const offset = make(path)
    const fd = openSync(path, 'r+')
    try {
      writeSync(fd, 'first', offset)
      const isSame = await volume.unfrozen(async (snapshot) => {
        writeSync(fd, 'after', offset)
        const [captured, now] = [
          lstatSync(join(snapshot.path, name), { bigint: true }),
          lstatSync(path, { bigint: true }),
        ]
        if (captured.mtimeNs !== now.mtimeNs || captured.ctimeNs !== now.ctimeNs) return false
        await delay(LATE_MS)
        await history.commit(snapshot)
        return true
      })
      if (isSame) return { path: name, generation: await volume.unfrozen((later) => history.commit(later)) }
    } finally {
      closeSync(fd)
    }
  }
  throw new Error(`no write of ${ATTEMPTS_MAX} fell into the tick of a capture`)
}

test('what is written in the same tick of the clock as a capture is in the generation after, however late the commit', async (t) => {
  await ProvingGround.use(async (ground) => {
    await using engine = await Engine.open(ground.holdfs, ground.scratch)
    for (const [kind, make] of [
      ['a file', makeFile],
      ['a database', makeDatabase],
    ] as const) {
      await t.test(kind, () =>
        ground.withVolume(async (volume) => {
          const history = await engine.openWorkspace()
          const { path, generation } = await commitAroundOneTick(volume, history, make)
          const live = readFileSync(join(volume.path, path))
          assert(live.includes('after'))
          await history.whileRestored(generation, (restored) => {
            assert(
              readFileSync(join(restored, path)).equals(live),
              'the second commit took the file for unchanged',
            )
          })
        }),
      )
    }
  })
})
