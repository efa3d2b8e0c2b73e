import type { OutputPiece } from '@holdfast/client/exec-result'
import { HoldfastError } from '@holdfast/client/holdfast-error'
import type { RunningExec } from '@holdfast/client/running-exec'
import type { Workspace } from '@holdfast/client/workspace'
import { z } from 'zod'
import { connectFrame, END_FRAME } from './connect-frames.ts'

const Start = z.strictObject({
  process: z.strictObject({
    cmd: z.string(),
    args: z.array(z.string()),
    cwd: z.string().optional(),
    envs: z.record(z.string(), z.string()).optional(),
  }),
  stdin: z.boolean().optional(),
})
const Signal = z.strictObject({
  process: z.strictObject({ pid: z.int() }),
  signal: z.enum(['SIGNAL_SIGKILL', 'SIGNAL_SIGTERM']),
})
const EXIT_CODE_OF_KILLED = 137

/** The commands of one sandbox, by the numbers that its protocol gives them. */
export class Processes {
  readonly #workspace: Workspace
  readonly #running = new Map<number, RunningExec>()
  #lastPid = 0

  constructor(workspace: Workspace) {
    this.#workspace = workspace
  }

  /** The frames of `Process/Start`. */
  async *start(asked: unknown): AsyncGenerator<Uint8Array, void> {
    const { process, stdin = false } = Start.parse(asked)
    const { cmd, args, cwd, envs } = process
    const exec = await this.#workspace.execs.start([cmd, ...args], { cwd, env: envs, stdin })
    this.#lastPid += 1
    const pid = this.#lastPid
    this.#running.set(pid, exec)
    yield connectFrame({ event: { start: { pid } } })
    for await (const piece of exec) yield connectFrame({ event: { data: dataOf(piece) } })
    this.#running.delete(pid)
    yield connectFrame({ event: { end: endOf(exec) } })
    yield END_FRAME
  }

  async signal(asked: unknown): Promise<object> {
    const { process, signal } = Signal.parse(asked)
    const exec = this.#running.get(process.pid)
    if (exec === undefined)
      throw new HoldfastError({ code: 'not-found', message: `no process ${process.pid}` })
    await exec.signal(signal.replace('SIGNAL_', ''))
    return {}
  }
}

function dataOf({ stream, bytes }: OutputPiece): Record<string, string> {
  return { [stream === 'terminal' ? 'pty' : stream]: Buffer.from(bytes).toString('base64') }
}

function endOf({ state: { status, exitCode, signal } }: RunningExec) {
  if (exitCode !== null) return { exitCode, exited: true, status: `exit status ${exitCode}` }
  return {
    exitCode: EXIT_CODE_OF_KILLED,
    exited: false,
    status: `signal: ${signal ?? status}`,
    error: status,
  }
}
