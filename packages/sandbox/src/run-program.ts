import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { Writable } from 'node:stream'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'

const PROGRAM_MS_MAX = 30_000
const SAID_CHARACTERS_MAX = 2000

export interface ProgramRun {
  readonly program: string
  readonly argv: readonly string[]
  /** What it says goes here and not through a pipe: what it leaves running would keep a pipe open for ever. */
  readonly logPath: string
  /** What it, and who inherits that, reads from descriptor 3. */
  readonly given?: Uint8Array
}

/**
 * Runs a program of the system to its end, without any descriptor of this process. Rejects with `unsupported-here` when
 * it is not installed, with `sandbox-failed` and the end of what it said when it fails or takes too long.
 */
export async function runProgram({ program, argv, logPath, given }: ProgramRun): Promise<void> {
  const log = openSync(logPath, 'a', 0o600)
  try {
    await ended(program, argv, { log, given })
  } catch (error) {
    if (error instanceof Failure) throw error
    const said = readFileSync(logPath, 'utf8').trim().slice(-SAID_CHARACTERS_MAX)
    const reason = said || (error instanceof Error ? error.message : String(error))
    throw new Failure('sandbox-failed', `${program} failed: ${reason}`, { program, said }, error)
  } finally {
    closeSync(log)
  }
}

function ended(
  program: string,
  argv: readonly string[],
  { log, given }: { readonly log: number; readonly given: Uint8Array | undefined },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv, {
      stdio: ['ignore', log, log, given ? 'pipe' : 'ignore'],
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      timeout: PROGRAM_MS_MAX,
      killSignal: 'SIGKILL',
    })
    const pipe = child.stdio[3]
    if (pipe instanceof Writable) pipe.on('error', () => {}).end(given) // who did not read it says so
    child.once('error', (error) => {
      const isAbsent = errnoOf(error) === 'ENOENT'
      reject(
        isAbsent ? new Failure('unsupported-here', `${program} is not installed`, { program }, error) : error,
      )
    })
    child.once('exit', (status, signal) => {
      if (status === 0) resolve()
      else reject(new Error(signal === null ? `status ${status}` : `ended by ${signal}`))
    })
  })
}
