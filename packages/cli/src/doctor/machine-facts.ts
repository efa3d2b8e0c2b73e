/** A maker of sandboxes. */
export interface RuntimeFacts {
  readonly kind: 'runc' | 'bwrap' | 'runsc'
  /** Null: it is not installed. */
  readonly version: string | null
  /** Null: it started a sandbox just now, else why not. */
  readonly trouble: string | null
}

/** What was found out about this machine; what it means is decided in `findings.ts`. */
export interface MachineFacts {
  readonly nodeVersion: string
  /** The SQLite that this process carries. */
  readonly sqliteVersion: string
  readonly isRoot: boolean
  /** Debian's package tool is there. */
  readonly hasApt: boolean
  /** Null when the native companion answers, else why not. */
  readonly nativeTrouble: string | null
  readonly hasCompiler: boolean
  /** A user namespace could be made just now. */
  readonly userNamespaces: boolean
  /** Where cgroups for freezing can be made. */
  readonly freezer: { readonly version: 1 | 2; readonly path: string } | null
  /** Loop devices can be set up. */
  readonly loopDevices: boolean
  readonly btrfs: {
    readonly inKernel: boolean
    readonly hasProgs: boolean
    readonly hasSimpleQuotas: boolean
  }
  readonly runtimes: readonly RuntimeFacts[]
  /** Other copies of SQLite that programs of this machine write with. */
  readonly systemSqlite: readonly { readonly program: string; readonly version: string }[]
  readonly disk: { readonly path: string; readonly freeBytes: number; readonly totalBytes: number }
  /** Cgroups of ours that stand frozen though no companion is at work in them. */
  readonly frozenCgroups: readonly string[]
}
