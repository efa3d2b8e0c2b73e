import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explore } from './explore.ts'
import { ALL_GUARDS, type Bounds, type Guards } from './protocol.ts'

const SMALL: Bounds = { ttl: 2, epochs: 3, commits: 2, writes: 2, pauses: 1, hasStray: false }
const LONGER_HISTORIES: Bounds = { ttl: 2, epochs: 2, commits: 3, writes: 2, pauses: 1, hasStray: false }
const MORE_PAUSES: Bounds = { ttl: 2, epochs: 3, commits: 2, writes: 2, pauses: 2, hasStray: false }
const STRAY: Bounds = { ttl: 2, epochs: 3, commits: 1, writes: 1, pauses: 1, hasStray: true }
const ALWAYS = [SMALL, LONGER_HISTORIES, STRAY]

for (const bounds of process.env.HOLDFAST_LONG ? [...ALWAYS, MORE_PAUSES] : ALWAYS)
  test(`with all guards no state does harm: ${bounds.epochs} epochs, ${bounds.commits} commits, ${bounds.pauses} pauses${bounds.hasStray ? ', a late acquire' : ''}`, () => {
    const { harm, states, actions } = explore(bounds, ALL_GUARDS)
    assert.deepEqual(harm, undefined)
    assert.ok(states > 100_000, `only ${states} states`)
    // What never happened was not looked at.
    for (const host of ['A', 'B'])
      for (const action of [
        ...[`${host} acquires`, `${host} writes`, `${host} commits`, `${host} renews`, `${host} is killed`],
        ...[`${host} is suspended`, `${host} resumes`, `${host} freezes`, `${host} thaws`],
        ...[`${host} hears that its commit is durable`, `${host} hears that its lease is renewed`],
        ...[`commit ${bounds.commits} of ${host} arrives`, `a renewal of ${host} arrives`],
      ])
        assert.ok(actions.has(action), `never: ${action}`)
    const stray = ['A is killed while it acquires', 'its acquire arrives', 'its acquire comes too late']
    for (const action of ['A hands over', 'B takes over', ...(bounds.hasStray ? stray : [])])
      assert.ok(actions.has(action), `never: ${action}`)
  })

const LOST = 'a durable write is lost'
const MOVED = 'the head moved under its holder'
const TWO = 'two hosts run'
const FENCED = 'a run is fenced by an acquire of the past'

/** Without it, what comes of it, and in how few steps. */
const DROPPED: readonly {
  readonly without: string
  readonly guards: Partial<Guards>
  readonly harm: string
  readonly steps: number
}[] = [
  { without: 'the test of the epoch', guards: { fence: 'none' }, harm: MOVED, steps: 5 },
  { without: 'the test of the parent', guards: { parent: false }, harm: LOST, steps: 9 },
  { without: 'both tests', guards: { fence: 'none', parent: false }, harm: LOST, steps: 9 },
  { without: 'more than the holder’s name as fence', guards: { fence: 'name' }, harm: MOVED, steps: 5 },
  {
    without: 'more than the holder’s name as the only test',
    guards: { fence: 'name', parent: false },
    harm: LOST,
    steps: 9,
  },
  { without: 'the kill at the deadline', guards: { deadlineKill: false }, harm: TWO, steps: 4 },
  { without: 'the look at the deadline on resume', guards: { checkOnResume: false }, harm: TWO, steps: 6 },
  { without: 'counting from the sending', guards: { countFromSending: false }, harm: TWO, steps: 7 },
  { without: 'the release after the last ack', guards: { releaseAfterAck: false }, harm: LOST, steps: 5 },
  { without: 'waiting for an answer', guards: { waitForAnswer: false }, harm: LOST, steps: 4 },
  { without: 'the epoch that an acquire saw', guards: { acquireAfterSeen: false }, harm: FENCED, steps: 3 },
]

for (const { without, guards, harm, steps } of DROPPED)
  test(`without ${without}: ${harm}`, () => {
    const found = explore(harm === FENCED ? STRAY : SMALL, { ...ALL_GUARDS, ...guards }, harm)
    assert.equal(found.harm?.what, harm, `not among ${found.states} states`)
    assert.equal(found.harm.trace.length, steps, found.harm.trace.join(' → '))
  })
