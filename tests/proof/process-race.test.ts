import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import type { GenerationRow } from '@holdfast/generations/index/generation-index'
import { verifyStore } from '@holdfast/generations/maintenance/verify-store'
import { seededNumbers } from '@holdfast/testkit/seeded-numbers'
import { type DurableHome, withDurableDirectory } from './durable-home.ts'
import { MemoryFolder } from './memory-folder.ts'
import { maintenanceDeps } from './operations.ts'
import { RaceProcess } from './race-process.ts'
import { assertVersion } from './tree-versions.ts'

const LONG = process.env.HOLDFAST_LONG !== undefined
const RACE_MS = LONG ? 600_000 : 8_000
const HISTORIES = LONG ? 40 : 1
const KILLS_PER_HISTORY = LONG ? 25 : 8
const LIFE_MS_MAX = 400
/** Of each deed, on a machine that is as slow as may be. */
const DEEDS_MIN = 1
const HISTORY_PAGE = 200
const RESTORED_MAX = LONG ? 1_000 : 12
const SEED = 77

async function begin(folder: MemoryFolder): Promise<DurableHome> {
  const home = { root: join(folder.path, 'root'), directory: join(folder.path, 'files') }
  mkdirSync(home.directory)
  await withDurableDirectory(home, async () => {})
  return home
}

test('what one process acknowledged, while another thinned, compacted and collected, restores byte for byte', async (t) => {
  using folder = new MemoryFolder()
  const home = await begin(folder)
  const committer = new RaceProcess('commit', home)
  const others = [new RaceProcess('tidy', home, 2), new RaceProcess('restore', home, 3)]
  await delay(RACE_MS)
  for (const each of [committer, ...others]) await each.kill()
  const words = ['committed', 'expired', 'collected', 'restored', 'outlasted']
  const told = words.map(
    (word) => `${word} ${[committer, ...others].reduce((sum, each) => sum + each.count(word), 0)}`,
  )
  t.diagnostic(told.join(', '))
  for (const word of ['committed', 'collected', 'restored'])
    assert.ok(
      [committer, ...others].some((each) => each.count(word) >= DEEDS_MIN),
      told.join(', '),
    )
  const acknowledged = committer.idsOf('committed')
  await assertHistory(folder, { home, acknowledged, restoredMax: RESTORED_MAX })
})

/** Kills one process after another that commits into the same history. */
async function killAgainAndAgain(kills: number, next: () => number): Promise<number> {
  using folder = new MemoryFolder()
  const home = await begin(folder)
  const acknowledged: (string | undefined)[] = []
  for (let kill = 0; kill < kills; kill++) {
    const committer = new RaceProcess('commit', home)
    while (committer.count('committed') === 0) await delay(5)
    await delay(next() * LIFE_MS_MAX)
    await committer.kill()
    acknowledged.push(...committer.idsOf('committed'))
    await assertHistory(folder, { home, acknowledged, restoredMax: 2 })
  }
  return acknowledged.length
}

test('a process that commits is killed at any moment, again and again, and no acknowledged generation is lost', async (t) => {
  const next = seededNumbers(SEED)
  t.diagnostic(`seed ${SEED}`)
  let acknowledged = 0
  for (let history = 0; history < HISTORIES; history++)
    acknowledged += await killAgainAndAgain(KILLS_PER_HISTORY, next)
  t.diagnostic(`${acknowledged} acknowledged commits, ${HISTORIES * KILLS_PER_HISTORY} kills`)
})

/** Every acknowledged generation is in the history; what is retained verifies, and of it the newest ones are restored. */
async function assertHistory(
  folder: MemoryFolder,
  expected: {
    readonly home: DurableHome
    readonly acknowledged: readonly (string | undefined)[]
    readonly restoredMax: number
  },
): Promise<void> {
  await withDurableDirectory(expected.home, async (durable) => {
    const rows = await wholeHistory(durable)
    const known = new Set(rows.map(({ id }) => id))
    const lost = expected.acknowledged.filter((id) => id === undefined || !known.has(id))
    assert.deepEqual(lost, [])
    const report = await verifyStore(maintenanceDeps(durable), { org: durable.config.org })
    assert.deepEqual(report.damaged, [])
    for (const generation of rows.filter((row) => row.retained).slice(0, expected.restoredMax)) {
      const path = join(folder.path, 'seen')
      await durable.restore({ generation, path })
      assertVersion(path, Number(generation.message))
      rmSync(path, { recursive: true })
    }
  })
}

/** Newest first. */
async function wholeHistory(durable: DurableDirectory): Promise<readonly GenerationRow[]> {
  const rows: GenerationRow[] = []
  for (;;) {
    const page = await durable.history(HISTORY_PAGE, rows.at(-1)?.sequence)
    rows.push(...page)
    if (page.length < HISTORY_PAGE) return rows
  }
}
