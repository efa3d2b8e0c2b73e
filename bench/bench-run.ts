import type { Figure } from './rows.ts'
import type { ScratchDisk } from './scratch-disk.ts'

/** What a suite works with. */
export interface BenchRun {
  readonly disk: ScratchDisk
  /** A tenth of the sizes and counts: for work on the benchmark itself. */
  readonly quick: boolean
  /** How often a cheap measurement is made; its median counts. */
  readonly repeats: number
  readonly wants: (caseName: string) => boolean
  readonly report: (figure: Figure) => void
  /** Says something that is no figure. */
  readonly say: (text: string) => void
}

/** Programs that a suite measures beside the engine. */
export interface PeerProgram {
  readonly name: string
  /** The Debian package that brings it, or null for what npm brings. */
  readonly aptPackage: string | null
  /** Undefined when it is not installed. */
  readonly version: () => Promise<string | undefined>
}

export interface Suite {
  readonly name: string
  readonly cases: readonly string[]
  readonly peers: readonly PeerProgram[]
  readonly run: (bench: BenchRun) => Promise<void>
}
