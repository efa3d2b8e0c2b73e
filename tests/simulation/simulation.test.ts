import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ALL_GUARDS, type Guards } from './guards.ts'
import { type Outcome, simulate } from './simulate.ts'

const SEEDS = process.env.HOLDFAST_LONG ? 20_000 : 500
/** Beyond the first ones, those of another day: `HOLDFAST_SEED` begins elsewhere. */
const FIRST_SEED = Number(process.env.HOLDFAST_SEED ?? 1)
/** So many are tried to see what a missing guard does. */
const UNGUARDED_SEEDS_MAX = 200

/** Seeds that have found a defect, and what it was. They are run for ever. */
const KEPT: readonly { readonly seed: number; readonly found: string }[] = JSON.parse(
  readFileSync(new URL('seeds.json', import.meta.url), 'utf8'),
)

const folder = mkdtempSync(join(tmpdir(), 'holdfast-simulation-'))
after(() => rmSync(folder, { recursive: true }))

const run = (seed: number, guards: Partial<Guards> = {}) => simulate(seed, { guards, folder })

/** Whoever reads it gets the seed, and what came before. */
function expectSafe(seed: number, { violation, tail }: Outcome): void {
  assert.equal(violation, undefined, `seed ${seed}: ${violation}\n${tail.slice(-100).join('\n')}`)
}

test('the same seed gives the same events in the same order', async () => {
  for (const seed of [3, 14, 159]) {
    const [once, again] = [await run(seed), await run(seed)]
    assert.ok(once.events > 500, `${once.events} events`)
    assert.equal(once.digest, again.digest)
  }
  assert.notEqual((await run(3)).digest, (await run(14)).digest)
})

for (const { seed, found } of KEPT)
  test(`seed ${seed}, which found: ${found}`, async () => {
    expectSafe(seed, await run(seed))
  })

test(`${SEEDS} seeds: one writer, no acknowledged write lost, and all is back after the faults`, async () => {
  const counts = { ticks: 0, commits: 0, acknowledged: 0, handOffs: 0 }
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const outcome = await run(seed)
    expectSafe(seed, outcome)
    for (const what of ['ticks', 'commits', 'acknowledged', 'handOffs'] as const)
      counts[what] += outcome.counts[what]
  }
  // What never happened was not looked at.
  assert.ok(counts.ticks > 50 * SEEDS, `${counts.ticks} ticks`)
  assert.ok(counts.commits > 15 * SEEDS, `${counts.commits} commits`)
  assert.ok(counts.acknowledged > 5 * SEEDS, `${counts.acknowledged} syncs`)
  assert.ok(counts.handOffs > SEEDS / 2, `${counts.handOffs} handoffs`)
})

/** What comes of it when a guard is away; the oracle may see more. */
const WITHOUT: Readonly<Record<keyof Guards, RegExp>> = {
  deadline: /runs (though|after)/,
  epoch: /a commit of epoch \d+ .* is applied in epoch/,
  parent: /does not follow the head|was durable, and the head does not hold it/,
  waitForAnswer: /was durable, and the head does not hold it|was handed off/,
  releaseAfterAck: /lost \d+ items as it was handed off|was durable, and the head does not hold it/,
}

for (const guard of Object.keys(ALL_GUARDS) as (keyof Guards)[])
  test(`without the guard ${guard} a seed sees harm`, async () => {
    for (let seed = 1; seed <= UNGUARDED_SEEDS_MAX; seed++) {
      const { violation } = await run(seed, { [guard]: false })
      if (violation !== undefined && WITHOUT[guard].test(violation)) return
    }
    assert.fail(`none of ${UNGUARDED_SEEDS_MAX} seeds`)
  })
