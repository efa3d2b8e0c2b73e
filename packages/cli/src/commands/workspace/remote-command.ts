import { constants } from 'node:os'
import type { ExecState } from '@holdfast/client/exec-result'
import type { StartOptions } from '@holdfast/client/execs'
import type { RunningExec } from '@holdfast/client/running-exec'
import type { Workspace } from '@holdfast/client/workspace'
import type { Given } from '../../command.ts'
import { EXIT, exitCodeOf } from '../../exit-codes.ts'
import type { Context } from '../../open-context.ts'
import { asFailure } from '../../output/failure.ts'
import { parseChoice, parseDurationMs, parsePairs } from '../../parameters.ts'
import { DAY_MS } from './parameters-of-workspaces.ts'
import { type RemoteCommand, runOnTerminal } from './remote-terminal.ts'

/** What a command line says about a command to start, by `EXEC_OPTIONS`. */
export function startOptionsOf(given: Given): StartOptions {
  const timeout = given.option('timeout')
  return {
    env: parsePairs('--env', given.options('env')),
    cwd: given.option('workdir'),
    user: parseChoice('--user', given.option('user'), ['user', 'root']),
    timeoutMs:
      timeout === undefined ? undefined : parseDurationMs('--timeout', timeout, { minMs: 1, maxMs: DAY_MS }),
  }
}

/**
 * Runs a command as if it ran here: its output, its input, the signals, its exit code. A signal that comes a second time
 * ends this process and leaves the command.
 */
export async function runRemote(
  context: Context,
  workspace: Workspace,
  command: RemoteCommand,
): Promise<number> {
  if (command.onTerminal) return await runOnTerminal(context, workspace, command)
  const running = await startRemote(workspace, command)
  using _passed = passSignals(context, running)
  if (command.passInput) passInput(context, running)
  return await follow(context, running)
}

/** Passes what the command writes on, and gives its exit code. */
export async function follow(context: Context, running: RunningExec, after = 0): Promise<number> {
  const onGap = () => context.output.note('hold: output is missing here: the server keeps only the newest')
  for await (const { stream, bytes } of running.output({ after, onGap })) {
    if (stream === 'stderr') await context.output.writeThrough(bytes)
    else await context.output.write(bytes)
  }
  return exitCodeOfExec(running.state, context)
}

/** A command that cannot be started ends as a shell says it: 127 where there is no such program, 126 otherwise. */
export async function startRemote(workspace: Workspace, command: RemoteCommand): Promise<RunningExec> {
  const stdin = command.passInput && !command.onTerminal
  return await workspace.execs.start(command.argv, { ...command.options, stdin })
}

/**
 * Tells why a command did not run, and gives the exit code, which must not be taken for one of the command: 126 and 127
 * as a shell has them, 2 for a wrong command line, 124 for a time that was over, else 125.
 */
export function tellRefusal(context: Context, error: unknown): number {
  const failure = asFailure(error)
  context.output.showFailure(failure)
  if (failure.code === 'exec-failed')
    return failure.details.errno === 'ENOENT' ? EXIT.notFound : EXIT.notExecutable
  const code = exitCodeOf(failure)
  return code === EXIT.failure ? EXIT.platform : code
}

function exitCodeOfExec(state: ExecState, context: Context): number {
  switch (state.status) {
    case 'exited':
      return state.exitCode ?? EXIT.failure
    case 'timed_out':
      context.output.note('hold: the command was ended: its time was over')
      return EXIT.timeout
    case 'killed':
      return 128 + signalNumber(state.signal)
    case 'lost':
      context.output.note(`hold: the command was lost (${state.reason ?? 'unknown'}); it is not run again`)
      return EXIT.platform
    case 'running':
      return EXIT.platform
  }
}

function signalNumber(name: string | null): number {
  return (
    Object.entries(constants.signals).find(([signal]) => signal === name)?.[1] ?? constants.signals.SIGKILL
  )
}

const PASSED = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

function passSignals(context: Context, running: RunningExec): Disposable {
  let passed = 0
  const listeners = PASSED.map((signal) => {
    const listener = () => {
      passed++
      if (passed > 1) {
        context.output.showEnd(`hold: left the command ${running.id} running`)
        context.end(128 + constants.signals[signal])
        return
      }
      running.signal(signal).catch(() => {}) // it has ended in the meantime, which its output tells
    }
    context.signals.on(signal, listener)
    return { signal, listener }
  })
  return {
    [Symbol.dispose]: () => {
      for (const { signal, listener } of listeners) context.signals.off(signal, listener)
    },
  }
}

/** Goes on beside the output: a command may end before its input does. */
function passInput(context: Context, running: RunningExec): void {
  const pass = async () => {
    for await (const part of context.terminal.input)
      await running.write(typeof part === 'string' ? part : new Uint8Array(part))
    await running.endInput()
  }
  pass().catch(() => {}) // nobody reads it any more
}
