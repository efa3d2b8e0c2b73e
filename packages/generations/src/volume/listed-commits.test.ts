import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
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
import { walkTree } from '../read/walk-tree.ts'
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
const LARGE_BYTES = 24 << 20

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

  test('a few bytes of a large file cost a few bytes, wherever they are and wherever the file went', async () => {
    await withVolume(async (volume) => {
      const { deps, committer } = await newHistory()
      const meanwhile = async () => {}
      const path = (name: string) => join(volume.path, name)
      let number = 0
      const newBytes = async () =>
        (await compare({ number: number++, volume, deps, committer, meanwhile }))?.newBytes ?? 0
      mkdirSync(path('deep'))
      writeFileSync(path('deep/large'), randomFillSync(Buffer.alloc(LARGE_BYTES)))
      await newBytes()
      patch(path('deep/large'), LARGE_BYTES / 2)
      assert.ok((await newBytes()) < LARGE_BYTES / 20)
      truncateSync(path('deep/large'), LARGE_BYTES - 5000)
      assert.ok((await newBytes()) < LARGE_BYTES / 20)
      appendFileSync(path('deep/large'), 'more'.repeat(5000))
      chmodSync(path('deep/large'), 0o600)
      assert.ok((await newBytes()) < LARGE_BYTES / 20)
      mkdirSync(path('other'))
      renameSync(path('deep'), path('other/deeper'))
      patch(path('other/deeper/large'), 100)
      assert.ok((await newBytes()) < LARGE_BYTES / 20)
      renameSync(path('other/deeper/large'), path('moved'))
      linkSync(path('moved'), path('other/linked'))
      patch(path('other/linked'), LARGE_BYTES - 20_000)
      assert.ok((await newBytes()) < LARGE_BYTES / 20)
      copyFileSync(path('moved'), path('moved.new'), constants.COPYFILE_FICLONE_FORCE)
      patch(path('moved.new'), 12_345_678)
      renameSync(path('moved.new'), path('moved'))
      assert.ok((await newBytes()) < LARGE_BYTES / 20)
    })
  })

  test('much that changed is staged by several threads, to the same tree', async () => {
    await withVolume(async (volume) => {
      const { deps, committer } = await newHistory()
      const meanwhile = async () => {}
      const path = (name: string) => join(volume.path, name)
      for (const directory of ['a', 'b', 'c']) {
        mkdirSync(path(directory))
        for (let file = 0; file < 10; file++)
          writeFileSync(path(`${directory}/${file}`), randomFillSync(Buffer.alloc(1 << 20)))
      }
      linkSync(path('a/0'), path('b/linked'))
      await compare({ number: 0, volume, deps, committer, meanwhile })
      for (let file = 0; file < 10; file++)
        for (const directory of ['a', 'c']) patch(path(`${directory}/${file}`), 50_000)
      writeFileSync(path('huge'), randomFillSync(Buffer.alloc(34 << 20)))
      renameSync(path('b'), path('a/b'))
      mkdirSync(path('b'))
      writeFileSync(path('b/new'), 'new')
      await compare({ number: 1, volume, deps, committer, meanwhile })
      patch(path('huge'), 30 << 20)
      for (let file = 0; file < 10; file++)
        writeFileSync(path(`c/${file}`), randomFillSync(Buffer.alloc(2 << 20)))
      await compare({ number: 2, volume, deps, committer, meanwhile })
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

function patch(path: string, offset: number): void {
  const fd = openSync(path, 'r+')
  try {
    writeSync(fd, 'changed', offset)
  } finally {
    closeSync(fd)
  }
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
