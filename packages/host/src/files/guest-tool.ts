import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import { ExecRequest } from '@holdfast/protocol/exec'
import type { FailureCode } from '@holdfast/protocol/failures'
import type { Sandbox, SandboxExec } from '@holdfast/sandbox/runtime'

/** A tool that answers more is stopped: lists have limits of their own. */
const ANSWER_BYTES_MAX = 32 << 20
const STDERR_CHARS_MAX = 4096
/** Between TERM, which lets a tool take its leavings away, and KILL, which a guest cannot hold up. */
const GONE_GRACE_MS = 1000
/** Messages are read, so they are of one language; names are bytes in any. */
const ENVIRONMENT = { LC_ALL: 'C', PATH: '/usr/local/bin:/usr/bin:/bin' }

export interface ToolResult {
  readonly exitCode: number
  readonly output: Buffer
  readonly errors: string
  /** It was stopped since it had said enough. */
  readonly isCut: boolean
}

/** Where tools run, and for whom. */
export interface ToolPlace {
  readonly sandbox: Sandbox
  readonly clock: Clock
  /** Aborted once nobody waits for the answer: the guest can stop the tools, which are its own user's, at will. */
  readonly gone: AbortSignal
}

/**
 * Starts a tool inside, as the guest's own user, in `/workspace`: the kernel says what it may do. It is ended when its
 * caller has gone.
 */
export async function startTool(
  place: ToolPlace,
  argv: readonly string[],
  stdin = false,
): Promise<SandboxExec> {
  const { sandbox, gone } = place
  const exec = await sandbox.exec(ExecRequest.parse({ argv: [...argv], environment: ENVIRONMENT, stdin }))
  const over = new AbortController()
  void exec.ended.then(() => over.abort())
  if (gone.aborted) void endTool(exec, place, over.signal)
  gone.addEventListener('abort', () => void endTool(exec, place, over.signal), { signal: over.signal })
  return exec
}

async function endTool(exec: SandboxExec, { clock }: ToolPlace, over: AbortSignal): Promise<void> {
  try {
    await exec.signal('SIGTERM')
    await exec.signal('SIGCONT')
    await clock.sleep(GONE_GRACE_MS, over)
    await exec.kill()
  } catch {
    // It has ended, by itself or with its sandbox.
  }
}

/** Runs a tool to its end, or until `isEnough` says so. */
export async function runTool(
  place: ToolPlace,
  argv: readonly string[],
  isEnough: (piece: Uint8Array) => boolean = () => false,
): Promise<ToolResult> {
  const exec = await startTool(place, argv)
  const parts: Buffer[] = []
  let errors = ''
  let bytes = 0
  let isCut = false
  for await (const piece of exec.output) {
    if (piece.stream === 'stderr') {
      if (errors.length < STDERR_CHARS_MAX) errors += Buffer.from(piece.bytes).toString('utf8')
    } else if (!isCut) {
      bytes += piece.bytes.length
      parts.push(Buffer.from(piece.bytes))
      isCut = bytes > ANSWER_BYTES_MAX || isEnough(piece.bytes)
      if (isCut) await exec.kill()
    }
  }
  const end = await exec.ended
  if (end.kind === 'gone') throw new Failure('sandbox-gone', 'the sandbox ended meanwhile')
  const exitCode = end.kind === 'exited' ? end.exitCode : -1
  return { exitCode, output: Buffer.concat(parts), errors, isCut }
}

/** Says when more than `limit` of a byte have come. */
export function countsBeyond(limit: number, byte: number): (piece: Uint8Array) => boolean {
  let count = 0
  return (piece) => {
    for (const value of piece) if (value === byte) count++
    return count > limit
  }
}

/** What the C library says of each errno, in the `C` locale. */
const CODES: readonly (readonly [RegExp, FailureCode])[] = [
  [/No such file or directory/, 'not-found'],
  [/File exists/, 'already-exists'],
  [/Permission denied|Operation not permitted|Read-only file system/, 'no-permission'],
  [/Directory not empty/, 'not-empty'],
  [/No space left on device|Disk quota exceeded/, 'volume-full'],
  [
    /Not a directory|Is a directory|File name too long|Invalid|Too many levels|cannot overwrite/,
    'invalid-argument',
  ],
]

/** The failure that a tool's own words tell. */
export function toolFailure(
  { errors, exitCode }: Pick<ToolResult, 'errors' | 'exitCode'>,
  path: string,
): Failure {
  const [, code] = CODES.find(([said]) => said.test(errors)) ?? []
  const line = errors.trim().split('\n').at(-1) ?? ''
  return new Failure(code ?? 'invalid-argument', line === '' ? `exit code ${exitCode}` : line, {
    path,
    exitCode,
  })
}

/** Runs a tool that must succeed. */
export async function expectTool(place: ToolPlace, argv: readonly string[], path: string): Promise<Buffer> {
  const result = await runTool(place, argv)
  if (result.exitCode !== 0) throw toolFailure(result, path)
  return result.output
}
