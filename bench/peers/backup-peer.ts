import type { Cost } from '../measure.ts'

/** Another tool that keeps versions of a directory; each step ends when what it wrote is on disk. */
export interface BackupPeer {
  readonly name: string
  /** The Debian package that brings it. */
  readonly aptPackage: string
  readonly version: () => Promise<string | undefined>
  /** What it writes into lies below `folder`, which exists and is empty. */
  open(folder: string): Promise<BackupRepository>
}

export interface BackupRepository {
  /** Stores the tree as it is now; called again it stores the next version. */
  commit(source: string): Promise<Cost>
  /** Brings the newest version back into `target`, which exists and is empty. */
  restore(target: string): Promise<Cost>
  /** What it stored lies here. */
  readonly path: string
}
