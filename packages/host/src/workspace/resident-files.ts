import type { CommitRequest } from '@holdfast/generations/commit/committer'
import type { DirectoryWriter } from '@holdfast/generations/directory/durable-directory'
import type { RolledBack, TreeReplacement } from '@holdfast/generations/directory/rollback-directory'
import type {
  WatchMaintenance,
  WatchMaintenanceRequest,
} from '@holdfast/generations/directory/watch-maintenance'
import type { GenerationIndex, GenerationRow, HeldLease } from '@holdfast/generations/index/generation-index'
import type { Volume } from '@holdfast/generations/volume/volume'
import type { PinLog } from './pin-log.ts'

/** What commits the files. */
export type ResidentWriter = Pick<DirectoryWriter, 'lease' | 'head' | 'commit' | 'prepare' | 'saveState'>

/** Upkeep of a history beside its commits. */
export type Upkeep = Pick<WatchMaintenance, 'noteCommit'> & AsyncDisposable

/** Nobody else on this host writes the history until it is disposed of. */
export interface HeldFiles extends Disposable {
  openWriter(): Promise<ResidentWriter>
}

/** The files of one workspace on a host, and its history; open while nobody else there uses them. */
export interface ResidentFiles extends AsyncDisposable {
  readonly workspace: string
  readonly kind: Volume['kind']
  /** The directory that becomes `/workspace`. */
  readonly path: string
  /** Of the object store that generations go to. */
  readonly storeAddress: string
  readonly index: Pick<GenerationIndex, 'workspace' | 'generation'>
  /** Brings the files to a generation (null: to nothing). Rejects as restores do. */
  bring(generation: GenerationRow | null): Promise<unknown>
  /** The files equal another generation too, which was made of the same tree. */
  alias(known: string, generation: string): Promise<void>
  /** Bounds what the files may come to; false where the volume cannot. */
  limit(bytesMax: number): Promise<boolean>
  readonly pins: Pick<PinLog, 'add' | 'remove' | 'takeLeft'>
  /** From now on somebody may write the files. */
  markDirty(): void
  /** Nobody writes the files any more, and they equal this generation. */
  markClean(generation: string | null): void
  /** For captures, until the files are brought to another state. */
  openVolume(): Promise<Volume>
  /** Makes the tree of a generation the newest one, without touching the files. */
  commitRoot(lease: HeldLease, generation: string, request: CommitRequest): Promise<GenerationRow>
  /** Brings the files to an older generation and makes its tree the newest one; what was there is aside then. */
  replaceTree(lease: HeldLease, request: TreeReplacement): Promise<Pick<RolledBack, 'generation' | 'aside'>>
  /** Rejects with `lease-held`. */
  hold(lease: HeldLease): HeldFiles
  /** Begins at once. Rejects as reading the history does. */
  maintain(request: WatchMaintenanceRequest): Promise<Upkeep>
}

export interface WorkspaceName {
  readonly workspace: string
  readonly org: string
}

/** What a host keeps of workspaces, open or not. */
export interface HostVolumes {
  /** Those of which there is something here. */
  readonly workspaces: readonly string[]
  /** The folder for the commands of a workspace. */
  execs(workspace: string): string
  open(name: WorkspaceName): Promise<ResidentFiles>
  /** Removes what is here of a workspace that is not open. */
  forget(workspace: string): Promise<void>
}
