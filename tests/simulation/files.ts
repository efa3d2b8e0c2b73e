import { hash } from 'node:crypto'
import type { Clock } from '@holdfast/base/clock'
import type { CommitOutcome, CommitRequest } from '@holdfast/generations/commit/committer'
import { Submissions } from '@holdfast/generations/commit/submissions'
import { toText } from '@holdfast/generations/format/byte-string'
import type {
  GenerationCommit,
  GenerationIndex,
  GenerationRow,
  HeldLease,
} from '@holdfast/generations/index/generation-index'
import type { Capture, Freezer, Image, Volume } from '@holdfast/generations/volume/volume'
import type {
  HeldFiles,
  ResidentFiles,
  ResidentWriter,
  Upkeep,
} from '@holdfast/host/workspace/resident-files'
import type { DiskVolume, Machine } from './machine.ts'
import type { SimulatedProcess } from './process.ts'
import type { Draws } from './scheduler.ts'
import type { SimulatedStore } from './store.ts'

export interface FilesDeps {
  readonly machine: Machine
  readonly process: SimulatedProcess
  readonly clock: Clock
  readonly draws: Draws
  readonly index: GenerationIndex
  readonly store: SimulatedStore
}

/** Captured trees by the path of their image. */
type Images = Map<string, readonly string[]>

/** The files of a workspace on a simulated disk: a list of all that was ever written. */
export class SimulatedFiles implements ResidentFiles {
  readonly workspace: string
  readonly path: string
  readonly kind = 'btrfs'
  readonly storeAddress = 'memory:'
  readonly index: GenerationIndex
  readonly #deps: FilesDeps
  readonly #disk: DiskVolume
  readonly #images: Images = new Map()

  constructor(deps: FilesDeps, workspace: string) {
    this.#deps = deps
    this.workspace = workspace
    this.path = `/${workspace}`
    this.index = deps.index
    const { volumes, boot } = deps.machine
    this.#disk = volumes.get(workspace) ?? { items: [], clean: { generation: null, boot } }
    volumes.set(workspace, this.#disk)
  }

  async bring(generation: GenerationRow | null): Promise<unknown> {
    const { machine, process, store } = this.#deps
    const { clean } = this.#disk
    const wanted = generation?.id ?? null
    if (clean?.boot === machine.boot && clean.generation === wanted) return 'kept'
    this.markDirty()
    this.#disk.items = generation === null ? [] : await store.get(process, generation.recordPack)
    this.markClean(wanted)
    return 'restored'
  }

  async alias(_known: string, generation: string): Promise<void> {
    this.markClean(generation)
  }

  async limit(): Promise<boolean> {
    return false
  }

  markDirty(): void {
    this.#disk.clean = undefined
  }

  markClean(generation: string | null): void {
    this.#disk.clean = { generation, boot: this.#deps.machine.boot }
  }

  readonly pins = { add: () => 0, remove: () => {}, takeLeft: () => [] }

  async openVolume(): Promise<Volume> {
    const capture = (freezer: Freezer | null) => this.#capture(freezer)
    return { kind: this.kind, path: this.path, capture, [Symbol.asyncDispose]: async () => {} }
  }

  commitRoot(): Promise<GenerationRow> {
    return Promise.reject(new Error('the simulation neither forks nor rolls back'))
  }

  replaceTree(): Promise<never> {
    return Promise.reject(new Error('the simulation neither forks nor rolls back'))
  }

  hold(lease: HeldLease): HeldFiles {
    return {
      openWriter: () => SimulatedWriter.open(this.#deps, lease, this.#images),
      [Symbol.dispose]: () => {},
    }
  }

  async maintain(): Promise<Upkeep> {
    return { noteCommit: () => {}, [Symbol.asyncDispose]: async () => {} }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** With a freezer, what it names stands still meanwhile; without, the capture is of some moment. */
  async #capture(freezer: Freezer | null): Promise<Capture> {
    const { machine, process, draws } = this.#deps
    const names = (freezer?.cgroups ?? []).map(toText)
    const units = names.flatMap((name) => machine.units.get(name) ?? []).filter((unit) => !unit.isFrozen)
    for (const unit of units) unit.isFrozen = true
    await process.pass(draws.between(1, 8))
    const path = `${this.path}@${this.#images.size}`
    this.#images.set(path, this.#disk.items)
    for (const unit of units) unit.isFrozen = false
    const image = { path, changes: { kind: 'unknown' }, consistency: 'cut' } as const
    const end = async () => void this.#images.set(path, [])
    return { image, frozenMs: 1, accept: async () => {}, [Symbol.asyncDispose]: end }
  }
}

/** Stores what was captured and submits it, by the code that submits what real directories hold. */
class SimulatedWriter implements ResidentWriter {
  readonly lease: HeldLease
  head: ResidentWriter['head']
  readonly #deps: FilesDeps
  readonly #images: Images
  readonly #submissions: Submissions<{ readonly commit: GenerationCommit }>

  private constructor(
    deps: FilesDeps,
    lease: HeldLease,
    from: { head: ResidentWriter['head']; images: Images },
  ) {
    this.lease = lease
    this.head = from.head
    this.#deps = deps
    this.#images = from.images
    this.#submissions = new Submissions(deps, lease, {
      accept: ({ commit }) => {
        this.head = commit
      },
      discard: () => {},
    })
  }

  static async open(deps: FilesDeps, lease: HeldLease, images: Images): Promise<SimulatedWriter> {
    const { head } = await deps.index.workspace(lease.workspace)
    const parent = head === null ? null : await deps.index.generation(head)
    return new SimulatedWriter(deps, lease, { head: parent, images })
  }

  async commit(image: Image, request: CommitRequest): Promise<CommitOutcome> {
    const { index, process, store, draws } = this.#deps
    await this.#submissions.resolve()
    const items = this.#images.get(image.path) ?? []
    const root = rootOf(items)
    await image.release?.()
    if (!request.always && this.head?.root === root)
      return { kind: 'unchanged', head: await index.generation(this.head.id) }
    const { org, workspace, epoch } = this.lease
    const pack = `${org}/${workspace}/${epoch}/${hash('md5', `${root} ${draws.numbers()}`)}`
    await store.put(process, pack, items)
    const commit = this.#commitOf(request, { items, root, pack })
    await this.#submissions.submit({ commit })
    const { newPacks: _new, usedPacks: _used, gcSeen: _seen, ...row } = commit
    return {
      kind: 'committed',
      generation: { ...row, newBytes: 1, newObjects: 1, databases: 0, notices: [] },
    }
  }

  async prepare(image: Image): Promise<'unchanged' | 'little'> {
    await this.#submissions.resolve()
    const root = rootOf(this.#images.get(image.path) ?? [])
    return this.head?.root === root ? 'unchanged' : 'little'
  }

  saveState(): boolean {
    return true
  }

  #commitOf(
    { cause, message }: CommitRequest,
    { items, root, pack }: { items: readonly string[]; root: string; pack: string },
  ): GenerationCommit {
    const said = {
      parent: this.head?.id ?? null,
      sequence: (this.head?.sequence ?? 0) + 1,
      recordPack: pack,
      ...{ root, cause, message },
      createdAt: this.#deps.clock.wallMs(),
      files: items.length,
      bytes: items.length,
      consistency: 'cut',
      newPacks: [{ name: pack, bytes: 1, sha256: root }],
      usedPacks: [],
      gcSeen: 0,
    } as const
    return { id: hash('sha256', `${pack} ${said.parent}`), ...said }
  }
}

function rootOf(items: readonly string[]): string {
  return hash('sha256', `${items.length} ${items.at(-1) ?? ''}`)
}
