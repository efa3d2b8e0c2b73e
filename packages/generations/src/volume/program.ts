import { execFile } from 'node:child_process'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'

const PROGRAM_MS_MAX = 60_000
const OUTPUT_BYTES_MAX = 1 << 20

/** How a program of the system ended. */
export interface ProgramResult {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs a program of the system to its end, found on the usual path of root, with messages in English. Rejects with
 * `unsupported-here` when it is not installed, with `source-failed` when it does not end in time.
 */
export function runProgram(program: string, args: readonly string[]): Promise<ProgramResult> {
  const options = {
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    timeout: PROGRAM_MS_MAX,
    maxBuffer: OUTPUT_BYTES_MAX,
  }
  return new Promise((resolve, reject) => {
    execFile(program, [...args], options, (error, stdout, stderr) => {
      if (error === null) return resolve({ status: 0, stdout, stderr })
      if (typeof error.code === 'number') return resolve({ status: error.code, stdout, stderr })
      const isAbsent = errnoOf(error) === 'ENOENT'
      const said = isAbsent ? `${program} is not installed` : `${program} did not end: ${error.message}`
      reject(new Failure(isAbsent ? 'unsupported-here' : 'source-failed', said, { program }, error))
    })
  })
}

/** As `runProgram`, for a program that must succeed; otherwise rejects with `source-failed` and what it said. */
export async function runOrFail(program: string, args: readonly string[]): Promise<string> {
  const result = await runProgram(program, args)
  if (result.status === 0) return result.stdout
  throw programFailure(program, result)
}

export function programFailure(program: string, { status, stderr }: ProgramResult): Failure {
  const said = stderr.trim() || `status ${status}`
  return new Failure('source-failed', `${program} failed: ${said}`, { program, status })
}
