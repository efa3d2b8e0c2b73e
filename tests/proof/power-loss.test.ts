import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Disk } from '@holdfast/testkit/power-loss-disk'
import { seededNumbers } from '@holdfast/testkit/seeded-numbers'
import { type Acknowledged, CommitLoop } from './commit-loop.ts'
import { type DurableHome, withDurableDirectory } from './durable-home.ts'
import { assertVersion } from './tree-versions.ts'

const CUTS = process.env.HOLDFAST_LONG === undefined ? 20 : 200
const DISK_BYTES = 256 << 20
/** What the machine would not have lived to do goes wrong in this time. */
const AFTER_CUT_MS = 150
const SEED = 2026

interface Rig extends DurableHome {
  readonly disk: Disk
  readonly scratch: string
  readonly number: () => number
}

interface Heard {
  /** Acknowledged while there was power. */
  readonly last: Acknowledged
  /** What was said after that counts for nothing, but that so many versions may be there. */
  readonly versionMax: number
}

interface Cut {
  /** The version that is the head. */
  readonly head: number
  /** A file that nobody synced was lost: the cut was one. */
  readonly lostUnsynced: boolean
  /** The head is a commit whose acknowledgement nobody heard. */
  readonly isAhead: boolean
}

/**
 * Commits until a random moment of a commit after an acknowledged one, and cuts the power there. The kernel still runs: an
 * `fsync` that was under way may then report success although the journal gave its transaction up.
 */
async function commitUntilCut(rig: Rig, version: number): Promise<Heard> {
  return rig.disk.powered(async (cut) => {
    await using loop = new CommitLoop(rig, version)
    await loop.acknowledged(2 + Math.floor(rig.number() * 2))
    const [before, last] = loop.acks.slice(-2)
    assert(before && last, 'the process that commits ended')
    writeFileSync(unsyncedFile(rig, version), 'nobody syncs this')
    await delay(rig.number() * (last.atMs - before.atMs) * 1.2)
    const acknowledged = loop.acks.at(-1) ?? last
    await cut()
    await delay(AFTER_CUT_MS)
    await loop[Symbol.asyncDispose]()
    return { last: acknowledged, versionMax: (loop.acks.at(-1) ?? last).version + 1 }
  })
}

/** With power again: the history opens, holds what was acknowledged, and its head restores whole. */
async function lookAfter(rig: Rig, version: number, { last, versionMax }: Heard): Promise<Cut> {
  return rig.disk.powered(async () => {
    const unsynced = statSync(unsyncedFile(rig, version), { throwIfNoEntry: false })
    const lostUnsynced = unsynced === undefined || unsynced.size === 0
    return withDurableDirectory(rig, async (durable) => {
      const history = await durable.history(10)
      const [head] = history
      const acknowledged = history.find(({ id }) => id === last.id)
      assert(
        head && acknowledged,
        `generation ${last.id} of version ${last.version} was acknowledged and is lost`,
      )
      const headVersion = Number(head.message)
      const isOneOfThose = headVersion >= last.version && headVersion <= versionMax
      assert(isOneOfThose, `the head is version ${headVersion}, not of ${last.version} to ${versionMax}`)
      for (const generation of new Set([acknowledged, head])) {
        const path = join(rig.scratch, 'restored')
        await durable.restore({ generation, path })
        assertVersion(path, Number(generation.message))
        rmSync(path, { recursive: true })
      }
      return { lostUnsynced, isAhead: headVersion > last.version, head: headVersion }
    })
  })
}

function unsyncedFile({ root }: Rig, version: number): string {
  return join(root, `unsynced-${version}`)
}

test('after a power loss during a commit the history opens, and its head is what was acknowledged or the commit after', async (t) => {
  const scratch = mkdtempSync(join(tmpdir(), 'holdfast-power-'))
  const directory = join(scratch, 'directory')
  mkdirSync(directory)
  t.diagnostic(`seed ${SEED}`)
  try {
    await Disk.use(DISK_BYTES, async (disk) => {
      const rig = { disk, scratch, directory, root: disk.mountDir, number: seededNumbers(SEED) }
      let version = 1
      const cuts: Cut[] = []
      for (let cut = 0; cut < CUTS; cut++) {
        const heard = await commitUntilCut(rig, version)
        const seen = await lookAfter(rig, version, heard)
        version = seen.head + 1
        cuts.push(seen)
      }
      const lost = cuts.filter(({ lostUnsynced }) => lostUnsynced).length
      const ahead = cuts.filter(({ isAhead }) => isAhead).length
      t.diagnostic(`${CUTS} cuts: ${lost} lost what nobody synced, ${ahead} kept a commit nobody heard of`)
      assert(lost > CUTS / 2, 'the power was really cut')
    })
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
})
