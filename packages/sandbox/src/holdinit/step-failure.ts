import { getSystemErrorName } from 'node:util'
import { Failure } from '@holdfast/base/failure'

/** By their numbers in docs/formats/holdinit.md. */
const STEPS: readonly (readonly [name: string, sentence: string])[] = [
  ['request', 'the command cannot be read'],
  ['table', 'the sandbox runs as many commands as it may'],
  ['pipes', 'the command cannot be given pipes'],
  ['terminal', 'the command cannot be given a terminal'],
  ['fork', 'the sandbox cannot start another process'],
  ['limits', 'the command cannot be given its limits'],
  ['user', 'the command may not run as that user'],
  ['capabilities', 'the command cannot be confined'],
  ['directory', 'the directory cannot be entered'],
  ['program', 'the program cannot be run'],
  ['connect', 'the port does not answer'],
]

/** The failure of a step, with the error of the system as it is called there: `ENOENT`, `EACCES`, `EAGAIN`. */
export function stepFailure(step: number, errno: number): Failure {
  const [name, sentence] = STEPS[step] ?? ['unknown', 'the command cannot be run']
  const error = errorName(errno)
  const code = name === 'connect' ? 'port-unreachable' : 'exec-failed'
  return new Failure(code, `${sentence}: ${error}`, { step: name, errno: error })
}

function errorName(errno: number): string {
  try {
    return getSystemErrorName(-errno)
  } catch {
    return `errno ${errno}`
  }
}
