import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '@holdfast/base/clock'
import { Failure, isFailure } from '@holdfast/base/failure'
import type { SandboxExec } from '@holdfast/sandbox/runtime'
import { toolFailure } from './guest-tool.ts'

const INPUT_BYTES_MAX = 64 * 1024
/**
 * A tool that takes nothing for so long was stopped by its guest. While it takes nothing the request is not read, and so
 * nobody notices that the client has gone.
 */
const STALL_MS_MAX = 30_000

/** Aborted once the client has its answer, or has gone. */
export function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  if (response.destroyed) gone.abort()
  return gone.signal
}

/** Sends bytes as quickly as they are taken. False: nobody takes them any more. */
export async function sendBytes(response: ServerResponse, bytes: Uint8Array | string): Promise<boolean> {
  if (response.destroyed) return false
  if (response.write(bytes)) return true
  const over = new AbortController()
  const { signal } = over
  await Promise.race([once(response, 'drain', { signal }), once(response, 'close', { signal })]).catch(
    () => {},
  )
  over.abort()
  return !response.destroyed
}

/**
 * Sends what a tool prints; `bytesMax` cuts it. Rejects as the tool says, if it says so before the first byte; later the
 * answer ends without its end.
 */
export async function sendOutput(
  exec: SandboxExec,
  response: ServerResponse,
  { begin, path, bytesMax = Number.POSITIVE_INFINITY }: SendOptions,
): Promise<void> {
  let errors = ''
  let bytes = 0
  for await (const piece of exec.output) {
    if (piece.stream === 'stderr') {
      errors += Buffer.from(piece.bytes)
        .toString('utf8')
        .slice(0, 4096 - errors.length)
      continue
    }
    if (bytes === 0) begin()
    const part = piece.bytes.subarray(0, bytesMax - bytes)
    bytes += part.length
    if (part.length > 0 && !(await sendBytes(response, part))) await exec.kill()
  }
  const end = await exec.ended
  const exitCode = end.kind === 'exited' ? end.exitCode : -1
  const isWhole = exitCode === 0 && (bytes === bytesMax || bytesMax === Number.POSITIVE_INFINITY)
  if (isWhole && bytes === 0) begin()
  if (isWhole) response.end()
  else if (bytes > 0) response.destroy()
  else throw toolFailure({ errors, exitCode }, path)
}

export interface SendOptions {
  /** Writes the head of the answer. */
  readonly begin: () => void
  readonly path: string
  readonly bytesMax?: number
}

/** A tool that is fed. */
export interface FedTool {
  readonly exec: SandboxExec
  readonly clock: Clock
}

/**
 * Feeds a request's body to a tool. Rejects as the tool says, with `invalid-argument` for a body that was cut, and with
 * `timed-out` when the tool takes no more.
 */
export async function feedInput(tool: FedTool, request: IncomingMessage, path: string): Promise<void> {
  const { exec } = tool
  const drained = drain(exec)
  try {
    for await (const piece of request) await writeAll(tool, piece)
    if (!request.complete) throw new Failure('invalid-argument', 'the body was cut', { path })
    await exec.endInput()
  } catch (error) {
    // A tool that has ended takes no input: what it says tells more.
    if (isFailure(error, 'invalid-state')) return await expectEnd(drained, path)
    if (isFailure(error, 'timed-out')) await exec.kill()
    else await exec.signal('SIGTERM').catch(() => {})
    throw error
  }
  await expectEnd(drained, path)
}

async function expectEnd(drained: ReturnType<typeof drain>, path: string): Promise<void> {
  const { errors, exitCode } = await drained
  if (exitCode !== 0) throw toolFailure({ errors, exitCode }, path)
}

async function writeAll({ exec, clock }: FedTool, piece: Buffer): Promise<void> {
  for (let offset = 0; offset < piece.length; offset += INPUT_BYTES_MAX) {
    const taken = new AbortController()
    const stalled = clock.sleep(STALL_MS_MAX, taken.signal).then(() => {
      throw new Failure('timed-out', 'the tool inside takes no more bytes')
    })
    try {
      await Promise.race([exec.write(piece.subarray(offset, offset + INPUT_BYTES_MAX)), stalled])
    } finally {
      taken.abort()
      stalled.catch(() => {}) // cut short once the bytes were taken
    }
  }
}

async function drain(exec: SandboxExec): Promise<{ errors: string; exitCode: number }> {
  let errors = ''
  for await (const { stream, bytes } of exec.output)
    if (stream === 'stderr')
      errors += Buffer.from(bytes)
        .toString('utf8')
        .slice(0, 4096 - errors.length)
  const end = await exec.ended
  return { errors, exitCode: end.kind === 'exited' ? end.exitCode : -1 }
}
