import type { Exec as WireExec, OutputPiece as WirePiece } from '@holdfast/protocol/rest/exec'
import type { Shown } from './api.ts'

/** A command as the server knows it. */
export type ExecState = Shown<typeof WireExec>

/** A piece of output, in the order of its arrival over all streams of a command. */
export interface OutputPiece {
  readonly sequence: number
  readonly stream: 'stdout' | 'stderr' | 'terminal'
  /** Milliseconds since 1970. */
  readonly at: number
  readonly bytes: Uint8Array
  /** The same as text; a character that is cut in two by a piece's end comes whole with the next one. */
  readonly text: string
}

/** How a command ended. An exit code other than 0 is a result, not an error. */
export interface ExecResult {
  readonly id: string
  readonly status: ExecState['status']
  /** Of a command that exited by itself; else null. */
  readonly exitCode: number | null
  /** The signal that ended it, as `SIGKILL`. */
  readonly signal: string | null
  /** Why it was killed or lost. */
  readonly reason: ExecState['reason']
  readonly stdout: string
  readonly stderr: string
  /** False: there was more output than is kept, and the beginning or the middle is missing. */
  readonly isOutputWhole: boolean
}

/** A command that ended otherwise than with 0, for callers that asked for `throwOnError`. */
export class ExecError extends Error {
  readonly result: ExecResult

  constructor(result: ExecResult, command: string) {
    super(`${command} ${endingOf(result)}${result.stderr === '' ? '' : `: ${lastLine(result.stderr)}`}`)
    this.name = 'ExecError'
    this.result = result
  }
}

function endingOf({ status, exitCode, signal, reason }: ExecResult): string {
  switch (status) {
    case 'exited':
      return `exited with ${exitCode}`
    case 'killed':
      return `was ended by ${signal ?? 'a signal'}${reason === null ? '' : ` (${reason})`}`
    case 'timed_out':
      return 'ran out of its time'
    case 'lost':
      return `was lost (${reason ?? 'for an unknown reason'})`
    case 'running':
      return 'still runs'
  }
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? ''
}

/** Turns wire pieces into pieces, with a text decoder for each stream. */
export class PieceDecoder {
  readonly #decoders = new Map<string, InstanceType<typeof TextDecoder>>()

  decode(piece: Shown<typeof WirePiece>): OutputPiece {
    const bytes = bytesOfBase64(piece.bytes)
    const decoder = this.#decoders.get(piece.stream) ?? new TextDecoder()
    this.#decoders.set(piece.stream, decoder)
    return { ...piece, bytes, text: decoder.decode(bytes, { stream: true }) }
  }
}

/** Output of a command as text, the newest of it where it is too much. */
export class CollectedOutput {
  readonly #charactersMax: number
  readonly #texts = { stdout: '', stderr: '', terminal: '' }
  isWhole = true

  constructor(charactersMax: number) {
    this.#charactersMax = charactersMax
  }

  add({ stream, text }: OutputPiece): void {
    const whole = this.#texts[stream] + text
    this.#texts[stream] = whole
    if (whole.length <= 2 * this.#charactersMax) return
    this.#texts[stream] = whole.slice(-this.#charactersMax)
    this.isWhole = false
  }

  get stdout(): string {
    return this.#texts.stdout + this.#texts.terminal
  }

  get stderr(): string {
    return this.#texts.stderr
  }
}

function bytesOfBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
}

export function base64OfBytes(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text)
}
