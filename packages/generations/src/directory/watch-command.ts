import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { present } from '@holdfast/base/assert'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import { MARK_VARIABLE } from '../volume/process-tree.ts'

/** How a command ended: one of both is null. */
export interface CommandEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface CommandRequest {
  /** The program and its arguments. */
  readonly command: readonly string[]
  /** Where it begins; absent: where this process is. */
  readonly cwd?: string
  /** Absent: those of this process. */
  readonly stdio?: StdioOptions
}

/** A command that writes a watched directory. */
export interface RunningCommand {
  readonly pid: number
  readonly ended: Promise<CommandEnd>
  /** Sends a signal to it, and to nothing that it started; one that has ended takes none. */
  signal(name: NodeJS.Signals): void
}

/**
 * Enters the cgroups by itself, then becomes the command: no instruction of the command runs outside of them. Ends with
 * 126 when a cgroup cannot be entered and, like every shell, with 127 when there is no such program.
 */
const ENTER = `${MARK_VARIABLE}=$1; export ${MARK_VARIABLE}; shift
while [ -n "$1" ]; do echo $$ > "$1/cgroup.procs" || exit 126; shift; done; shift; exec "$@"`

/** Starts a command inside of the cgroups that `entrances` names. Rejects with `invalid-argument`. */
export async function startCommand(
  request: CommandRequest,
  inside: { readonly entrances: readonly string[]; readonly mark: string },
): Promise<RunningCommand> {
  if (request.command.length === 0) throw new Failure('invalid-argument', 'there is no command to run')
  const shellArguments = ['-c', ENTER, 'hold', inside.mark, ...inside.entrances, '', ...request.command]
  const child = spawn('sh', shellArguments, {
    stdio: request.stdio ?? 'inherit',
    ...(request.cwd === undefined ? {} : { cwd: request.cwd }),
  })
  const ended = endOf(child)
  try {
    await once(child, 'spawn')
  } catch (error) {
    const details = { errno: errnoOf(error) ?? 'unknown', cwd: request.cwd ?? '.' }
    throw new Failure('invalid-argument', 'the command cannot be started', details, error)
  }
  return {
    pid: present(child.pid, 'the pid of a started command'),
    ended,
    signal: (name) => void child.kill(name),
  }
}

function endOf(child: ChildProcess): Promise<CommandEnd> {
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })))
}
