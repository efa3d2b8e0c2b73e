import { malformed, PayloadReader } from './frames.ts'

const STATES = ['starting', 'running', 'ended', 'failed'] as const

/** A command that holdinit keeps. */
export interface ListedCommand {
  readonly id: number
  /** Inside the sandbox. */
  readonly pid: number
  readonly state: (typeof STATES)[number]
  readonly isTerminal: boolean
  /** How many bytes of output were sent so far, over all connections. */
  readonly sentBytes: number
  /** What it was given when it was started. */
  readonly marker: string
}

/** The payload of a list. Throws `sandbox-failed` on what is none. */
export function readList(payload: Buffer): readonly ListedCommand[] {
  const reader = new PayloadReader(payload)
  const commands: ListedCommand[] = []
  while (!reader.isAtEnd) {
    const [id, pid] = [reader.u32(), reader.u32()]
    reader.u32() // the error of one that failed: told when it is adopted
    const state = STATES[reader.u8()]
    if (state === undefined) throw malformed('an unknown state of a command')
    reader.bytes(2) // how it ended: told when it is adopted
    const isTerminal = reader.u8() === 1
    commands.push({ id, pid, state, isTerminal, sentBytes: reader.u64(), marker: reader.text() })
  }
  return commands
}
