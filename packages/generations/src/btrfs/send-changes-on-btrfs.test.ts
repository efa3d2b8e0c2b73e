import assert from 'node:assert/strict'
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import test, { type TestContext } from 'node:test'
import { changedRanges } from './change-list.ts'
import { type ImageOptions, LoopImage } from './loop-image.fixture.ts'
import { readSendChanges } from './send-changes.ts'
import { type ComparisonCounts, linkedNames, SnapshotComparison } from './snapshot-comparison.fixture.ts'
import { Dice, type OperationCounts, Syscalls, Workload } from './snapshot-workload.fixture.ts'

const ROUNDS = process.env.HOLDFAST_LONG === undefined ? 30 : 200
const OPERATIONS_MAX = 60
const SNAPSHOTS_KEPT = 4
const SEED = Number(process.env.HOLDFAST_SEED ?? 20_261)

const SETUPS: readonly { readonly name: string; readonly options: ImageOptions }[] = [
  { name: 'a plain filesystem', options: {} },
  { name: 'compression', options: { mountOptions: ['compress-force=zstd'] } },
  { name: 'explicit hole items', options: { mkfs: ['-O', '^no-holes'] } },
]

for (const [index, setup] of SETUPS.entries()) {
  test(`the change list between snapshots explains every difference, with ${setup.name}`, async (t) => {
    using image = new LoopImage(setup.options)
    using syscalls = new Syscalls()
    await compareRounds(t, image, { dice: new Dice(SEED + index), syscalls, counts: new Map() })
  })
}

interface Tools {
  readonly dice: Dice
  readonly syscalls: Syscalls
  readonly counts: OperationCounts
}

async function compareRounds(t: TestContext, image: LoopImage, tools: Tools): Promise<void> {
  const counts: ComparisonCounts = {
    patched: 0,
    identical: 0,
    cleanDirectories: 0,
    movedDirectories: 0,
    linked: 0,
  }
  const snapshots = ['s0']
  let working = 'w0'
  image.createSubvolume(working)
  const beginning = new Workload(image.path(working), tools)
  beginning.populate()
  await beginning.run(OPERATIONS_MAX)
  image.snapshot(working, 's0')
  for (let round = 1; round <= ROUNDS; round++) {
    const workload = new Workload(image.path(working), tools)
    await workload.run(1 + tools.dice.below(tools.dice.pick([5, 20, OPERATIONS_MAX]) ?? 1))
    if (tools.dice.below(8) === 0) makeOrDropNestedSubvolume(image, working)
    const snapshot = `s${round}`
    image.snapshot(working, snapshot)
    await workload.run(3) // after the snapshot: must not show up
    const parent = tools.dice.pick(snapshots) ?? 's0'
    assertExplained(image, { parent, snapshot, counts })
    snapshots.push(snapshot)
    if (snapshots.length > SNAPSHOTS_KEPT) image.deleteSubvolume(snapshots.shift() ?? '')
    if (tools.dice.below(6) === 0) {
      working = `w${round}`
      image.snapshot(tools.dice.pick(snapshots) ?? snapshot, working, 'writable')
    }
  }
  t.diagnostic(`seed ${SEED}, ${ROUNDS} rounds: ${JSON.stringify(counts)}`)
  t.diagnostic(`operations: ${JSON.stringify(Object.fromEntries(tools.counts))}`)
  for (const [name, count] of Object.entries(counts)) assert.ok(count > 0, `the rounds reach ${name}`)
}

interface Comparison {
  readonly parent: string
  readonly snapshot: string
  readonly counts: ComparisonCounts
}

function assertExplained(image: LoopImage, { parent, snapshot, counts }: Comparison): void {
  const flags = snapshot.endsWith('3') ? ['--no-data', '--proto', '2'] : ['--no-data', '--proto', '1']
  const stream = image.send(parent, snapshot, flags)
  try {
    const links = linkedNames(image.path(parent))
    const changes = readSendChanges(stream, { namesOf: (path) => links.get(path) })
    assert.ok(changes.kind === 'changes', JSON.stringify(changes))
    new SnapshotComparison(image.path(parent), image.path(snapshot), changes, counts).assertTrue()
  } catch (error) {
    const evidence = `seed ${SEED}, from ${parent} to ${snapshot}, stream ${stream.toString('base64')}`
    throw new Error(evidence, { cause: error })
  }
}

/** Nested subvolumes are no part of a snapshot: their place shows as an empty directory. */
function makeOrDropNestedSubvolume(image: LoopImage, working: string): void {
  const nested = `${working}/nested`
  if (existsSync(image.path(nested))) rmSync(image.path(nested), { recursive: true })
  else image.createSubvolume(nested)
}

test('a write to one file of many is the only change, with its range', () => {
  using image = new LoopImage()
  image.createSubvolume('w')
  for (const name of ['a', 'b', 'c']) writeFileSync(image.path(`w/${name}`), Buffer.alloc(100_000, 1))
  image.snapshot('w', 's0')
  const file = openSync(image.path('w/b'), 'r+')
  writeSync(file, 'changed', 50_000)
  closeSync(file)
  image.snapshot('w', 's1')
  writeFileSync(image.path('w/c'), 'after the snapshot')
  const changes = readSendChanges(image.send('s0', 's1'))
  assert.deepEqual(changes, {
    kind: 'changes',
    dirtyDirectories: new Set(['']),
    files: new Map([
      [
        'b',
        {
          created: false,
          previousPath: 'b',
          ranges: [{ start: 49_152, end: 53_248 }],
          attributesOnly: false,
        },
      ],
    ]),
    movedDirectories: new Map(),
    created: new Set(),
    removed: new Set(),
  })
  assert.deepEqual(readSendChanges(image.send('s1', 's1')).kind, 'changes')
  assert.deepEqual(readSendChanges(image.send(undefined, 's1')), {
    kind: 'unknown',
    reason: 'not-incremental',
  })
})

test('bytes that a clone brings back beyond the old size are not missed', () => {
  using image = new LoopImage()
  image.createSubvolume('w')
  writeFileSync(image.path('w/f'), Buffer.alloc(8192, 7))
  copyFileSync(image.path('w/f'), image.path('w/kept'), constants.COPYFILE_FICLONE_FORCE)
  truncateSync(image.path('w/f'), 396)
  image.snapshot('w', 's0')
  copyFileSync(image.path('w/kept'), image.path('w/f'), constants.COPYFILE_FICLONE_FORCE)
  image.snapshot('w', 's1')
  const changes = readSendChanges(image.send('s0', 's1'))
  const change = changes.kind === 'changes' ? changes.files.get('f') : undefined
  assert.ok(change !== undefined)
  const ranges = changedRanges(change, { oldSizeBytes: 396, newSizeBytes: 8192 })
  assert.ok(
    ranges.some(({ start, end }) => start <= 396 && end === 8192),
    JSON.stringify(ranges),
  )
})
