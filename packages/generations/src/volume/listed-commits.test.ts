import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { withBtrfsImage } from '@holdfast/testkit/btrfs-image'
import { Dice, Syscalls, Workload } from '../btrfs/snapshot-workload.fixture.ts'
import { type CommittedGeneration, Committer, type CommitterDeps } from '../commit/committer.ts'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import { Holdfs } from '../holdfs/holdfs.ts'
import { MemoryGenerationIndex } from '../index/memory-generation-index.ts'
import { ChunkReader } from '../read/chunk-reader.ts'
import { loadCurrentChunks, readableChunks } from '../read/load-chunk-index.ts'
import { walkTree } from '../read/tree-reader.ts'
import { TreeState } from '../scan/tree-state.ts'
import { StagePool } from '../stage/stage-pool.ts'
import { MemoryObjectStore } from '../store/memory-object-store.ts'
import { BtrfsVolume } from './btrfs-volume.ts'
import type { Capture, Image } from './volume.ts'

const BUILD = fileURLToPath(new URL('../../native/build.sh', import.meta.url))
const ROUNDS = process.env.HOLDFAST_LONG === undefined ? 25 : 300
const OPERATIONS_MAX = 60
const SEED = Number(process.env.HOLDFAST_SEED ?? 4711)
const IMAGE_BYTES = 1024 ** 3

describe('commits from change lists', () => {
  let holdfs: Holdfs
  let pool: StagePool

  before(async () => {
    execFileSync('sh', [BUILD])
    holdfs = await Holdfs.start()
    pool = new StagePool(2)
  })

  after(async () => {
    await pool[Symbol.asyncDispose]()
    await holdfs[Symbol.asyncDispose]()
  })

  async function newHistory(): Promise<{ deps: CommitterDeps; committer: Committer }> {
    const deps = {
      store: new MemoryObjectStore(systemClock),
      index: new MemoryGenerationIndex(),
      clock: systemClock,
      randomness: systemRandomness,
      holdfs,
      pool,
      sealKey: null,
    }
    await deps.index.createWorkspace({ id: 'ws', org: 'org' })
    return { deps, committer: await Committer.open(deps, await deps.index.acquire('ws')) }
  }

  /** What a history that knows nothing makes of an image. */
  async function scanned(image: Image): Promise<{ deps: CommitterDeps; generation: CommittedGeneration }> {
    const { deps, committer } = await newHistory()
    const outcome = await committer.commit(
      { ...image, changes: { kind: 'unknown' } },
      { cause: 'sync', message: '' },
    )
    assert.equal(outcome.kind, 'committed')
    if (outcome.kind !== 'committed') throw new Error('unreachable')
    return { deps, generation: outcome.generation }
  }

  async function withVolume(use: (volume: BtrfsVolume, mount: string) => Promise<void>): Promise<void> {
    const home = mkdtempSync(join(tmpdir(), 'holdfast-listed-'))
    try {
      await withBtrfsImage(IMAGE_BYTES, async (mount) => {
        const request = { home, workspace: 'ws', path: join(mount, 'work'), state: home }
        const deps = { holdfs, clock: systemClock, randomness: systemRandomness }
        await using volume = await BtrfsVolume.create(deps, request)
        await use(volume, mount)
      })
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  }

  /** Commits one capture of the volume from its change list, and compares with a full scan of it. */
  async function compare(round: Round): Promise<CommittedGeneration | undefined> {
    await using capture: Capture = await round.volume.capture(null)
    await round.meanwhile()
    const { changes } = capture.image
    assert.equal(changes.kind, round.number === 0 ? 'unknown' : 'listed')
    const outcome = await round.committer.commit(capture.image, { cause: 'sync', message: '' })
    const whole = await scanned(capture.image)
    const evidence = `seed ${SEED}, round ${round.number}: ${describeChanges(changes)}`
    const { root, id } = outcome.kind === 'committed' ? outcome.generation : outcome.head
    if (root !== whole.generation.root) {
      const entries = await entriesOf(round.deps, root)
      const expected = await entriesOf(whole.deps, whole.generation.root)
      assert.fail(`${evidence}\n${differences(entries, expected)}`)
    }
    await capture.accept(id)
    if (outcome.kind !== 'committed') return undefined
    assert.deepEqual(summaryOf(outcome.generation), summaryOf(whole.generation), evidence)
    return outcome.generation
  }

  test('old state and listed changes make the tree that a full scan makes, whatever happened in between', async (t) => {
    await withVolume(async (volume) => {
      using syscalls = new Syscalls()
      const dice = new Dice(SEED)
      const counts = new Map<string, number>()
      const { deps, committer: first } = await newHistory()
      let committer = first
      let committed = 0
      const workload = new Workload(volume.path, { dice, syscalls, counts })
      const meanwhile = () => workload.run(2)
      workload.populate()
      for (let number = 0; number < ROUNDS; number++) {
        await workload.run(dice.below(dice.pick([2, 5, 20, OPERATIONS_MAX]) ?? 1))
        if (dice.below(8) === 0) makeOrDropNestedSubvolume(volume.path)
        if (await compare({ number, volume, deps, committer, meanwhile })) committed++
        if (dice.below(6) === 0) committer = await reopened(deps, committer)
      }
      t.diagnostic(`seed ${SEED}, ${ROUNDS} rounds: ${JSON.stringify(Object.fromEntries(counts))}`)
      assert.ok(committed > ROUNDS / 2)
    })
  })
})

interface Round {
  readonly number: number
  readonly volume: BtrfsVolume
  readonly deps: CommitterDeps
  readonly committer: Committer
  /** What happens between the capture and the commit: none of it shows. */
  readonly meanwhile: () => Promise<void>
}

/** The next process, with what this one saved. */
async function reopened(deps: CommitterDeps, committer: Committer): Promise<Committer> {
  const { generation, state, memories } = committer.remembered
  const saved = TreeState.fromBytes(state.toBytes(generation ?? ''))
  const lease = await deps.index.acquire('ws')
  return Committer.open(deps, lease, { ...saved, memories })
}

/** Every entry of a tree, without the ids of directories: a difference shows where it is. */
async function entriesOf(deps: CommitterDeps, root: string): Promise<Map<string, string>> {
  const coding = { seal: null }
  const current = await loadCurrentChunks({ ...deps, coding }, { org: 'org', workspace: 'ws' })
  const chunks = new ChunkReader({ store: deps.store, coding, index: readableChunks(current) })
  const entries = new Map<string, string>()
  for await (const { path, entry } of walkTree(chunks, chunkIdFromHex(root))) {
    const text = JSON.stringify(entry, (key, value) =>
      key === 'node' ? '' : typeof value === 'bigint' ? String(value) : value,
    )
    entries.set(path, text)
  }
  return entries
}

function summaryOf({ files, bytes, notices }: CommittedGeneration) {
  return { files, bytes, notices: notices.map(({ path, reason }) => `${path} ${reason}`).sort() }
}

function makeOrDropNestedSubvolume(path: string): void {
  const nested = join(path, 'nested')
  if (existsSync(nested)) rmSync(nested, { recursive: true })
  else execFileSync('btrfs', ['-q', 'subvolume', 'create', nested])
}

function describeChanges(changes: Image['changes']): string {
  if (changes.kind === 'unknown') return 'unknown'
  const { directories, files, moved } = changes
  const text = JSON.stringify({ directories: [...directories], files: [...files], moved: [...moved] })
  return shortened(text).slice(0, EVIDENCE_CHARS_MAX)
}

function differences(found: ReadonlyMap<string, string>, expected: ReadonlyMap<string, string>): string {
  const paths = new Set([...found.keys(), ...expected.keys()])
  const lines = [...paths]
    .filter((path) => found.get(path) !== expected.get(path))
    .map((path) => `${path}\n  found    ${found.get(path)}\n  expected ${expected.get(path)}`)
  return shortened(lines.join('\n')).slice(0, EVIDENCE_CHARS_MAX)
}

const EVIDENCE_CHARS_MAX = 6000

/** The workload's longest name stands for itself. */
function shortened(text: string): string {
  return text.replaceAll('x'.repeat(200), 'xX')
}
