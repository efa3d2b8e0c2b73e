import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Clock, systemClock } from '@holdfast/base/clock'
import { type Randomness, systemRandomness } from '@holdfast/base/randomness'
import { type CommitRequest, Committer } from '../commit/committer.ts'
import { toText } from '../format/byte-string.ts'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import type { FrameCoding } from '../format/frame.ts'
import { createFrameSeal } from '../format/frame-seal.ts'
import { Holdfs } from '../holdfs/holdfs.ts'
import type { GenerationIndex, GenerationRow, HeldLease } from '../index/generation-index.ts'
import { MemoryGenerationIndex } from '../index/memory-generation-index.ts'
import { walkTree } from '../read/walk-tree.ts'
import { RestoreThreads } from '../restore/restore-threads.ts'
import { restoreTree } from '../restore/restore-tree.ts'
import { StagePool } from '../stage/stage-pool.ts'
import { MemoryObjectStore } from '../store/memory-object-store.ts'
import type { ObjectStore } from '../store/object-store.ts'
import type { Image } from '../volume/volume.ts'
import type { MaintenanceDeps } from './maintenance-deps.ts'
import { openReadable } from './mark-workspace.ts'

export const ORG = 'org-a'
/** A grace that passes at once. */
export const hastyClock: Clock = { ...systemClock, sleep: async () => {} }

export interface WorldOptions {
  readonly store?: ObjectStore
  readonly index?: GenerationIndex
  readonly sealKey?: Uint8Array
  readonly randomness?: Randomness
  readonly clock?: Clock
}

/** Directories with histories in one store and one index, and the engine that commits them. */
export class World implements AsyncDisposable {
  readonly path = mkdtempSync(join(tmpdir(), 'holdfast-maintenance-'))
  readonly store: ObjectStore
  readonly index: GenerationIndex
  readonly sealKey: Uint8Array | null
  readonly holdfs: Holdfs
  readonly deps: MaintenanceDeps
  readonly #randomness: Randomness
  readonly #pool = new StagePool(1)
  #restores = 0

  private constructor(holdfs: Holdfs, options: WorldOptions) {
    this.holdfs = holdfs
    this.store = options.store ?? new MemoryObjectStore(systemClock)
    this.index = options.index ?? new MemoryGenerationIndex()
    this.sealKey = options.sealKey ?? null
    this.#randomness = options.randomness ?? systemRandomness
    this.deps = {
      store: this.store,
      index: this.index,
      coding: this.coding,
      clock: options.clock ?? hastyClock,
      randomness: this.#randomness,
    }
  }

  static async make(options: WorldOptions = {}): Promise<World> {
    return new World(await Holdfs.start(), options)
  }

  get coding(): FrameCoding {
    return { seal: this.sealKey && createFrameSeal(this.sealKey) }
  }

  /** Begins a workspace, or takes over one that exists. */
  async workspace(id: string, forkedFrom?: string): Promise<WorldWorkspace> {
    const path = join(this.path, id)
    mkdirSync(path, { recursive: true })
    const known = (await this.index.workspaces(ORG)).some((row) => row.id === id)
    if (!known)
      await this.index.createWorkspace({ id, org: ORG, ...(forkedFrom === undefined ? {} : { forkedFrom }) })
    const lease = await this.index.acquire(id)
    const deps = {
      ...this.deps,
      clock: systemClock,
      holdfs: this.holdfs,
      pool: this.#pool,
      sealKey: this.sealKey,
    }
    return new WorldWorkspace(path, lease, await Committer.open(deps, lease))
  }

  /** Restores a generation from the store and says what is in it, as `describeTree` does. */
  async restored(generation: GenerationRow): Promise<ReadonlyMap<string, string>> {
    const path = join(this.path, `restored-${++this.#restores}`)
    mkdirSync(path)
    const { reader } = await openReadable(this.deps, { org: ORG, workspace: generation.workspace })
    await restoreTree(
      {
        store: this.store,
        coding: this.coding,
        chunks: reader,
        holdfs: this.holdfs,
        threads: new RestoreThreads(1, this.sealKey),
        setOwners: true,
      },
      { root: chunkIdFromHex(generation.root), path },
    )
    const described = describeTree(path)
    rmSync(path, { recursive: true })
    return described
  }

  /** What a restore of a generation would bring, read from the store chunk by chunk; as `describeTree` says it. */
  async stored(generation: GenerationRow): Promise<ReadonlyMap<string, string>> {
    const { reader } = await openReadable(this.deps, { org: ORG, workspace: generation.workspace })
    const described = new Map<string, string>()
    const links = new Map<number, string>()
    for await (const { path, entry } of walkTree(reader, chunkIdFromHex(generation.root))) {
      const { mode, uid, gid, mtimeNs } = entry.attributes
      const facts = [TYPE_BITS[entry.kind] | (entry.kind === 'symlink' ? 0o777 : mode), uid, gid, mtimeNs]
      const name = path === '' ? '.' : toText(path)
      if (entry.kind === 'symlink') described.set(name, `${facts} -> ${entry.target}`)
      else if (entry.kind !== 'file') described.set(name, `${facts}`)
      else {
        const first = entry.link === 0 ? name : (links.get(entry.link) ?? name)
        links.set(entry.link, first)
        described.set(
          name,
          `${facts} ${first} ${hash('sha256', await reader.readContent(entry.content, 1 << 30))}`,
        )
      }
    }
    return described
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]()
    await this.holdfs[Symbol.asyncDispose]()
    await this.store[Symbol.asyncDispose]()
    await this.index[Symbol.asyncDispose]()
    rmSync(this.path, { recursive: true, force: true })
  }
}

/** One directory under lease, and what each of its generations held. */
export class WorldWorkspace {
  readonly path: string
  readonly lease: HeldLease
  readonly committer: Committer
  /** By generation id. */
  readonly model = new Map<string, ReadonlyMap<string, string>>()

  constructor(path: string, lease: HeldLease, committer: Committer) {
    this.path = path
    this.lease = lease
    this.committer = committer
  }

  write(path: string, content: string | Uint8Array): void {
    const target = join(this.path, path)
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, content)
  }

  remove(path: string): void {
    rmSync(join(this.path, path), { recursive: true })
  }

  get image(): Image {
    return { path: this.path, changes: { kind: 'unknown' }, consistency: 'cut' }
  }

  /** Commits and notes what the generation holds; returns its id. */
  async commit(request: Partial<CommitRequest> = {}): Promise<string> {
    const outcome = await this.committer.commit(this.image, { cause: 'periodic', message: '', ...request })
    assert.ok(outcome.kind === 'committed')
    this.model.set(outcome.generation.id, describeTree(this.path))
    return outcome.generation.id
  }
}

/** Every name below a directory with what a restore must bring back; names of one file share its first name. */
function describeTree(root: string): ReadonlyMap<string, string> {
  const described = new Map<string, string>()
  const links = new Map<bigint, string>()
  for (const name of ['.', ...readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()]) {
    const path = join(root, name)
    const stats = lstatSync(path, { bigint: true })
    const facts = [stats.mode, stats.uid, stats.gid, stats.mtimeNs]
    if (stats.isSymbolicLink()) described.set(name, `${facts} -> ${readlinkSync(path)}`)
    else if (stats.isDirectory()) described.set(name, `${facts}`)
    else {
      const first = links.get(stats.ino) ?? name
      links.set(stats.ino, first)
      described.set(name, `${facts} ${first} ${hash('sha256', readFileSync(path))}`)
    }
  }
  return described
}

const TYPE_BITS = { file: 0o100000, directory: 0o040000, symlink: 0o120000, database: 0o100000 } as const

function sorted(described: ReadonlyMap<string, string>): readonly (readonly [string, string])[] {
  return [...described].sort(([a], [b]) => (a < b ? -1 : 1))
}

/** Every generation that can be restored is what its workspace noted. */
export async function assertRestorable(world: World, model: WorldWorkspace['model']): Promise<void> {
  for (const [id, expected] of model) {
    const row = await world.index.generation(id)
    if (row.retained) assert.deepEqual(sorted(await world.stored(row)), sorted(expected))
  }
}
