import { chownSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { readBootId } from '@holdfast/base/boot-clock'
import { isFailure } from '@holdfast/base/failure'
import { type DirectoryDeps, DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import { HeldHistory } from '@holdfast/generations/directory/held-history'
import type { DirectoryConfig } from '@holdfast/generations/directory/home'
import {
  findBtrfsVolume,
  makeBtrfsVolume,
  type OpenBtrfsVolume,
  openBtrfsVolume,
} from '@holdfast/generations/directory/open-btrfs-volume'
import { openVolume } from '@holdfast/generations/directory/open-volume'
import { loadRemembered, saveRemembered } from '@holdfast/generations/directory/remembered-files'
import { restoreOnto } from '@holdfast/generations/directory/restore-onto'
import { replaceTree, seedFrom } from '@holdfast/generations/directory/rollback-directory'
import { WatchMaintenance } from '@holdfast/generations/directory/watch-maintenance'
import { WriterLock } from '@holdfast/generations/directory/writer-lock'
import type { GenerationRow, HeldLease } from '@holdfast/generations/index/generation-index'
import type { Volume } from '@holdfast/generations/volume/volume'
import { PinLog } from '../workspace/pin-log.ts'
import type { HeldFiles, ResidentFiles, WorkspaceName } from '../workspace/resident-files.ts'
import type { HostLayout } from './host-layout.ts'
import { clearSeedMark, readSeedMark, writeSeedMark } from './seed-mark.ts'

/** Who owns the files of a workspace on the host: the guest's user. */
const GUEST_UID = 1000
const GUEST_GID = 1000

export interface WorkspaceVolumeDeps {
  readonly directories: DirectoryDeps
  readonly layout: HostLayout
  readonly volume: DirectoryConfig['volume']
  /** Of the object store, as `openObjectStore` takes it. */
  readonly store: string
  /** A file with the store's key, or null for a store that is not sealed. */
  readonly keyFile: string | null
}

/** How the files came to equal what was wanted. */
export type Brought = 'kept' | 'snapshot' | 'patched' | 'restored' | 'empty'

/** The files of one workspace on this host, and its history; open while nobody else here uses them. */
export class WorkspaceVolume implements ResidentFiles {
  readonly directory: DurableDirectory
  readonly pins: PinLog
  readonly #deps: WorkspaceVolumeDeps

  private constructor(deps: WorkspaceVolumeDeps, directory: DurableDirectory) {
    this.#deps = deps
    this.directory = directory
    this.pins = new PinLog(this.#folder)
  }

  /** Makes the volume if there is none. Rejects as `makeBtrfsVolume` and `BtrfsVolume.open` do. */
  static async open(deps: WorkspaceVolumeDeps, name: WorkspaceName): Promise<WorkspaceVolume> {
    const config = await ensureRegistered(deps, name)
    return new WorkspaceVolume(deps, await DurableDirectory.openKnown(deps.directories, config))
  }

  get workspace(): string {
    return this.directory.config.workspace
  }

  get index(): DurableDirectory['index'] {
    return this.directory.index
  }

  get storeAddress(): string {
    return this.directory.store.address
  }

  commitRoot(...commit: Parameters<DurableDirectory['commitRoot']>): Promise<GenerationRow> {
    return this.directory.commitRoot(...commit)
  }

  replaceTree(
    lease: HeldLease,
    request: Parameters<ResidentFiles['replaceTree']>[1],
  ): ReturnType<ResidentFiles['replaceTree']> {
    return replaceTree(this.directory, lease, request)
  }

  hold(lease: HeldLease): HeldFiles {
    const held = new HeldHistory(WriterLock.take(this.directory.folder), lease)
    return {
      openWriter: () => this.directory.openWriter(held),
      [Symbol.dispose]: () => held[Symbol.dispose](),
    }
  }

  maintain(request: Parameters<ResidentFiles['maintain']>[0]): Promise<WatchMaintenance> {
    return WatchMaintenance.open(this.directory, request)
  }

  get kind(): DirectoryConfig['volume'] {
    return this.directory.config.volume
  }

  /** For captures, until the files are brought to another state: what it knows of local snapshots is of this moment. */
  openVolume(): Promise<Volume> {
    return openVolume(this.directory)
  }

  get path(): string {
    return this.directory.config.path
  }

  get #folder(): string {
    return this.#deps.layout.workspace(this.directory.config.workspace)
  }

  /**
   * Brings the files to a generation (null: to nothing), by the quickest way that is to be trusted. What was there and
   * is of another state is gone then. Rejects as restores do.
   */
  async bring(generation: GenerationRow | null): Promise<Brought> {
    const mark = readSeedMark(this.#folder)
    const isOfThisBoot = mark?.bootId === readBootId()
    if (isOfThisBoot && mark?.generation === (generation?.id ?? null)) return 'kept'
    clearSeedMark(this.#folder)
    const from = isOfThisBoot ? (mark?.generation ?? null) : null
    const isPatched = generation !== null && from !== null && (await this.#patch(from, generation))
    const brought = isPatched ? 'patched' : await this.#replace(generation)
    this.markClean(generation?.id ?? null)
    return brought
  }

  /** Turns the files from one generation into another, where that can be done in place; whatever fails, they are replaced. */
  async #patch(from: string, generation: GenerationRow): Promise<boolean> {
    const { directory, path } = this
    try {
      const request = { from: await directory.index.generation(from), generation, path }
      if ((await restoreOnto(directory, request)) === 'unfit') return false
      if (directory.config.volume === 'live') await this.#remember(generation)
      else {
        await using volume = await this.openVolume()
        await using capture = await volume.capture(null)
        await capture.accept(generation.id)
      }
      return true
    } catch (error) {
      if (isFailure(error)) return false
      throw error
    }
  }

  /** Spares the next commit to read every file. */
  async #remember(generation: GenerationRow): Promise<void> {
    const seed = await seedFrom(this.directory, generation, this.path)
    if (seed) saveRemembered(this.directory.folder, { generation: generation.id, ...seed })
  }

  /** The files equal another generation too, which was made of the same tree. */
  async alias(known: string, generation: string): Promise<void> {
    const { folder } = this.directory
    const remembered = loadRemembered(folder)
    if (remembered?.generation === known) saveRemembered(folder, { ...remembered, generation })
    await this.#onBtrfs((volume) => volume.alias(known, generation))
    this.markClean(generation)
  }

  /** Bounds what the files may come to; false where nothing can, and only the disk itself bounds them. */
  async limit(bytesMax: number): Promise<boolean> {
    try {
      const limited = await this.#onBtrfs(async (volume) => {
        await volume.limit(bytesMax)
        return true
      })
      return limited ?? false
    } catch (error) {
      if (!isFailure(error, 'unsupported-here', 'source-failed')) throw error
      return false
    }
  }

  /** From now on somebody may write the files. */
  markDirty(): void {
    clearSeedMark(this.#folder)
  }

  /** Nobody writes the files any more, and they equal this generation. */
  markClean(generation: string | null): void {
    writeSeedMark(this.#folder, { generation, bootId: readBootId() })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.directory[Symbol.asyncDispose]()
  }

  async #replace(generation: GenerationRow | null): Promise<Brought> {
    const brought = await this.#onBtrfs((volume) => this.#replaceSubvolume(volume, generation))
    if (brought) return brought
    const { path } = this
    const old = `${path}.old`
    rmSync(old, { recursive: true, force: true })
    if (existsSync(path)) renameSync(path, old)
    try {
      if (generation === null) makeEmpty(path)
      else {
        await this.directory.restore({ generation, path })
        await this.#remember(generation)
      }
    } finally {
      if (!existsSync(path)) makeEmpty(path)
      rmSync(old, { recursive: true, force: true })
    }
    return generation === null ? 'empty' : 'restored'
  }

  /** Undefined on another kind of volume. Two open ones would overwrite each other's record of snapshots. */
  async #onBtrfs<T>(use: (volume: OpenBtrfsVolume) => Promise<T>): Promise<T | undefined> {
    const { deps, config } = this.directory
    if (config.volume !== 'btrfs') return undefined
    await using volume = await openBtrfsVolume(deps, config)
    return await use(volume)
  }

  async #replaceSubvolume(volume: OpenBtrfsVolume, generation: GenerationRow | null): Promise<Brought> {
    if (generation === null) {
      if (readdirSync(this.path).length > 0) await this.#remake(volume)
      return 'empty'
    }
    const own = volume.isTrusted ? await volume.snapshotOf(generation.id) : undefined
    if (own === undefined && (await this.#copyParent(volume, generation))) return 'snapshot'
    await volume.replace({
      from: own && { path: own.path, generation: generation.id },
      fill: async (path) => void (await this.directory.restoreInto({ generation, path })),
      force: true,
      commit: async () => generation.id,
    })
    return own ? 'snapshot' : 'restored'
  }

  /** A fork begins with the snapshot of another workspace here, if there is one: its watch may delete it meanwhile. */
  async #copyParent(volume: OpenBtrfsVolume, generation: GenerationRow): Promise<boolean> {
    const { deps, config } = this.directory
    const parent = deps.home.directory(generation.workspace)
    if (parent?.volume !== 'btrfs' || parent.workspace === config.workspace) return false
    try {
      await using origin = await findBtrfsVolume(deps, parent)
      const snapshot = origin.isTrusted ? await origin.snapshotOf(generation.id) : undefined
      if (snapshot === undefined) return false
      const from = { path: snapshot.path, generation: generation.id }
      await volume.replace({ from, fill: async () => {}, force: true, commit: async () => generation.id })
      return true
    } catch (error) {
      if (isFailure(error, 'not-found', 'source-failed')) return false
      throw error
    }
  }

  async #remake(old: OpenBtrfsVolume): Promise<void> {
    const { deps, config } = this.directory
    await old.destroy()
    makeEmpty(config.path)
    await makeBtrfsVolume(deps, config)
  }
}

/** Removes what is here of a workspace that is not open. What is not there counts as removed. */
export async function forgetVolume(deps: WorkspaceVolumeDeps, name: { workspace: string }): Promise<void> {
  const { directories, layout } = deps
  const config = directories.home.directory(name.workspace)
  if (config?.volume === 'btrfs') {
    await using volume = await openBtrfsVolume(directories, config)
    await volume.destroy()
  }
  if (config) directories.home.removeDirectory(config.workspace)
  rmSync(layout.workspace(name.workspace), { recursive: true, force: true })
}

async function ensureRegistered(
  deps: WorkspaceVolumeDeps,
  { workspace, org }: WorkspaceName,
): Promise<DirectoryConfig> {
  const { home } = deps.directories
  const { store, keyFile } = deps
  if (!home.orgs().some((known) => known.org === org)) home.saveOrg({ format: 1, org, store, keyFile })
  const known = home.directory(workspace)
  if (known) return known
  const path = deps.layout.files(workspace)
  const config: DirectoryConfig = { format: 1, workspace, org, path, volume: deps.volume }
  makeEmpty(path)
  if (deps.volume === 'btrfs') await makeFreshBtrfs(deps, config)
  writeSeedMark(deps.layout.workspace(workspace), { generation: null, bootId: readBootId() })
  home.noteDirectory(config)
  return config
}

/** What an earlier process made and did not register is made again. */
async function makeFreshBtrfs(deps: WorkspaceVolumeDeps, config: DirectoryConfig): Promise<void> {
  try {
    await makeBtrfsVolume(deps.directories, config)
  } catch (error) {
    if (!isFailure(error, 'already-exists', 'not-empty')) throw error
    await (await openBtrfsVolume(deps.directories, config)).destroy()
    makeEmpty(config.path)
    await makeBtrfsVolume(deps.directories, config)
  }
}

/** An empty directory that the guest's user owns, where this process may give it away. */
function makeEmpty(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o755 })
  if (process.getuid?.() === 0) chownSync(path, GUEST_UID, GUEST_GID)
}
