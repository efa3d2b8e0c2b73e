import { Failure, type FailureDetails, failureToWire } from '@holdfast/base/failure'
import { FAILURES, type FailureCode } from '@holdfast/protocol/failures'
import type { CommitAnswer } from './watch-requests.ts'
import type { WatchStatus } from './watch-status.ts'

/*
 * The control socket of a watch, `control.sock` in the directory's folder: lines of JSON, each answered by one line, in
 * order.
 *
 *     request := {"request":"sync"} | {"request":"checkpoint","message":text} | {"request":"status"} | {"request":"stop"}
 *     answer  := {"answer":object} | {"failure":{"code":text,"message":text,"details":object}}
 */
export type ControlRequest =
  | { readonly request: 'sync' }
  | { readonly request: 'checkpoint'; readonly message: string }
  | { readonly request: 'status' }
  /** Answered before the watch ends. */
  | { readonly request: 'stop' }

/** What each request is answered with. */
export interface ControlAnswers {
  readonly sync: CommitAnswer
  readonly checkpoint: CommitAnswer
  readonly status: WatchStatus
  readonly stop: { readonly stopping: true }
}

export const CONTROL_SOCKET = 'control.sock'
/** A longer line ends the connection. */
export const LINE_BYTES_MAX = 64 * 1024

/** Cuts a stream of bytes into lines. */
export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0)

  /** The lines that are complete by now. Rejects with `invalid-argument` when one is longer than `LINE_BYTES_MAX`. */
  push(bytes: Buffer): string[] {
    const lines: string[] = []
    let rest = Buffer.concat([this.#rest, bytes])
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      if (end > LINE_BYTES_MAX) break
      lines.push(rest.toString('utf8', 0, end))
      rest = rest.subarray(end + 1)
    }
    this.#rest = rest
    if (rest.length > LINE_BYTES_MAX)
      throw new Failure('invalid-argument', `a line is longer than ${LINE_BYTES_MAX} bytes`)
    return lines
  }
}

const NEWLINE = 0x0a

/** Rejects with `invalid-argument`. */
export function parseControlRequest(line: string): ControlRequest {
  const { request, message } = parseObject(line)
  if (request === 'sync' || request === 'status' || request === 'stop') return { request }
  if (request === 'checkpoint' && typeof message === 'string') return { request, message }
  throw new Failure('invalid-argument', 'the control socket takes sync, checkpoint, status and stop')
}

export function encodeControlAnswer(answer: object): string {
  return `${JSON.stringify({ answer })}\n`
}

export function encodeControlFailure(error: unknown): string {
  return `${JSON.stringify({ failure: failureToWire(error) })}\n`
}

/** The answer in a line. Rejects with the failure that it tells, or with `internal` when it is no answer. */
export function parseControlAnswer<K extends keyof ControlAnswers>(
  request: K,
  line: string,
): ControlAnswers[K] {
  const { answer, failure } = parseObject(line)
  if (isObject(failure)) throw failureOf(failure)
  const fields = FIELDS[request]
  const isWhole =
    isObject(answer) && Object.entries(fields).every(([name, type]) => typeof answer[name] === type)
  if (!isWhole) throw new Failure('internal', `the watcher gave no answer to ${request}`)
  return answer as unknown as ControlAnswers[K]
}

/** The fields by which an answer is known, and their types. */
const COMMIT_FIELDS = {
  kind: 'string',
  generation: 'string',
  sequence: 'number',
  newBytes: 'number',
  newObjects: 'number',
}
const FIELDS: Readonly<Record<keyof ControlAnswers, Readonly<Record<string, string>>>> = {
  sync: COMMIT_FIELDS,
  checkpoint: COMMIT_FIELDS,
  status: {
    state: 'string',
    path: 'string',
    sequence: 'number',
    rpoMs: 'number',
    lagMs: 'number',
    maintenance: 'object',
  },
  stop: { stopping: 'boolean' },
}

function failureOf({ code, message, details }: Record<string, unknown>): Failure {
  const known = typeof code === 'string' && Object.hasOwn(FAILURES, code)
  return new Failure(
    known ? (code as FailureCode) : 'internal',
    String(message),
    isObject(details) ? (details as FailureDetails) : {},
  )
}

function parseObject(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line)
    if (isObject(value)) return value
  } catch {
    // falls through to the one failure for lines that are not JSON
  }
  throw new Failure('invalid-argument', 'a line on the control socket is not a JSON object')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
