import type { Duplex } from 'node:stream'
import type { ExecRequest } from '@holdfast/protocol/exec'
import type { FsyncPolicy, Isolation, RuntimeKind, SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import type { LocalPack } from './pack/local-pack.ts'

/** What makes sandboxes. `RuntimeKind` has those that exist; one conformance suite runs against each. */
export interface Runtime {
  readonly kind: RuntimeKind
  readonly isolation: Isolation
  /** Why it cannot be used here, in words that `hold doctor` prints; null: it can. Starts a real sandbox to find out. */
  probe(): Promise<string | null>
  /**
   * Starts a sandbox that is ready to run commands. Rejects with `sandbox-failed`, `isolation-unavailable` or
   * `invalid-argument` (a spec that this runtime cannot give), and leaves nothing behind then.
   */
  start(request: StartRequest): Promise<Sandbox>
  /**
   * Where a sandbox of that id will be frozen and killed, known before it starts: directories of cgroups, which need not
   * exist yet. Empty where this runtime has none.
   */
  cgroupsOf(id: string): readonly string[]
  /** Starts a sandbox for whoever comes; absent where a volume cannot follow its start. Rejects as `start`. */
  prepare?(request: PrepareRequest): Promise<PreparedSandbox>
  /** Kills whatever an earlier process left in this folder of sandboxes, frozen or not; resolves once none of it lives. */
  killLeftovers(folder: string): Promise<void>
}

export interface StartRequest {
  /** Unique on this machine; names cgroups and the sandbox's own folder. */
  readonly id: string
  /** Where the runtime may keep this sandbox's files: bundle, sockets. Made and removed by it. */
  readonly folder: string
  readonly spec: SandboxSpec
  /**
   * The host directory that becomes `/workspace`, writable by the guest's user. `makeKeptSystem` has been called on it
   * where the system is kept.
   */
  readonly volumePath: string
  /**
   * Shown read-only below `/workspace/packs`, on the places that `makePackPlaces` has made in the volume; none if
   * absent. Those of the specification are names of them.
   */
  readonly packs?: readonly LocalPack[]
  /** Nothing of the sandbox runs after this instant of CLOCK_BOOTTIME unless `extend` moves it. */
  readonly deadlineBootMs: number
}

export type PrepareRequest = Omit<StartRequest, 'volumePath' | 'packs'>

/** A sandbox without a volume, frozen, in which nothing of anybody has run. Disposing of it kills it. */
export interface PreparedSandbox extends AsyncDisposable {
  readonly id: string
  /** Nothing of it runs after this instant, claimed or not. */
  readonly deadlineBootMs: number
  /** Moves the deadline while it waits. Rejects with `sandbox-gone`. */
  extend(deadlineBootMs: number): Promise<void>
  /** Gives it to one workspace, for ever. Rejects with `sandbox-failed` or `sandbox-gone`; nothing of it is left then. */
  claim(request: ClaimRequest): Promise<Sandbox>
  /** Resolves when its first process has ended. */
  readonly ended: Promise<void>
}

export interface ClaimRequest {
  readonly volumePath: string
  readonly packs?: readonly LocalPack[]
  readonly deadlineBootMs: number
  readonly environment: Readonly<Record<string, string>>
}

/** A running sandbox. Disposing of it kills it. */
export interface Sandbox extends AsyncDisposable {
  readonly id: string
  readonly fsync: FsyncPolicy
  /** Where its processes can be frozen, killed and counted: paths of cgroups of the freezer; empty where there are none. */
  readonly cgroups: readonly string[]
  /** CPU time used so far by all of it, in nanoseconds; null where it is not known exactly. */
  cpuNs(): number | null
  /** How often the kernel killed a process of it for memory. */
  oomKills(): number
  /** Host pid of its first process. */
  readonly pid: number
  /** Starts a command. Rejects with `exec-failed` when it cannot be run, with `sandbox-gone` after the end. */
  exec(request: ExecRequest): Promise<SandboxExec>
  /** A connection to 127.0.0.1:`port` inside. Rejects with `port-unreachable`. */
  connect(port: number): Promise<Duplex>
  /** Moves the deadline. */
  extend(deadlineBootMs: number): Promise<void>
  /** What user code asks on its own socket (`/run/holdfast/hold sync`); answered by the host. */
  onGuestCall(answer: (call: GuestCall) => Promise<GuestAnswer>): void
  /** Freeze → SIGKILL every pid → thaw → empty. Never lets user code run on. Safe to call again. */
  kill(): Promise<void>
  /** Resolves when its first process has ended, whoever ended it. */
  readonly ended: Promise<void>
}

export type GuestCall = { readonly kind: 'sync' } | { readonly kind: 'status' }

export interface GuestAnswer {
  readonly exitCode: number
  /** Printed as it is. */
  readonly text: string
}

/** A command that runs in a sandbox. */
export interface SandboxExec {
  /**
   * Its output in the order of arrival. Iterating grants credit: a guest that writes faster than it is read is blocked,
   * never buffered without bound. Ends when all writers have closed, or 1 s after the exit.
   */
  readonly output: AsyncIterable<{
    readonly stream: 'stdout' | 'stderr' | 'terminal'
    readonly bytes: Uint8Array
  }>
  /** Resolves when more may be written. Rejects with `invalid-state` once its input is at its end. */
  write(bytes: Uint8Array): Promise<void>
  endInput(): Promise<void>
  resize(columns: number, rows: number): Promise<void>
  /** To its process group. */
  signal(name: NodeJS.Signals): Promise<void>
  /** KILL to all that it started, also what left its group or session. */
  kill(): Promise<void>
  readonly ended: Promise<ExecEnd>
}

export type ExecEnd =
  | { readonly kind: 'exited'; readonly exitCode: number }
  | { readonly kind: 'signaled'; readonly signal: NodeJS.Signals; readonly isOom: boolean }
  /** The sandbox ended first. */
  | { readonly kind: 'gone' }
