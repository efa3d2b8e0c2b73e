import type { Duplex } from 'node:stream'
import type { GuestAnswer, GuestCall, SandboxExec } from './runtime.ts'

/** What the host says to the first process of a sandbox. */
export interface GuestLink {
  exec(command: GuestCommand): Promise<SandboxExec>
  connect(port: number): Promise<Duplex>
  extend(deadlineBootMs: number): Promise<void>
  onCall(answer: (call: GuestCall) => Promise<GuestAnswer>): void
  /** Resolves when the connection has ended, by whoever's doing. */
  readonly ended: Promise<void>
  close(): void
}

/** A command with nothing left to default. */
export interface GuestCommand {
  readonly argv: readonly string[]
  readonly cwd: string
  readonly environment: Readonly<Record<string, string>>
  readonly isRoot: boolean
  readonly stdin: boolean
  readonly terminal?: { readonly columns: number; readonly rows: number } | undefined
}
