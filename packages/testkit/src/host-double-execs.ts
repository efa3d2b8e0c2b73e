import { type ChildProcess, spawn } from 'node:child_process'
import { Failure } from '@holdfast/base/failure'
import type { ExecRequest, ExecState, OutputChunk, OutputEvent } from '@holdfast/protocol/exec'
import type { ExecId } from '@holdfast/protocol/identifiers'

interface Running {
  state: ExecState
  readonly output: OutputChunk[]
  readonly child: ChildProcess | undefined
  readonly ended: Promise<void>
  readonly followers: Set<() => void>
}

/** Commands of one workspace of a double: real processes of the machine, without a sandbox. */
export class DoubleExecs {
  readonly #directory: string
  readonly #nowMs: () => number
  readonly #execs = new Map<ExecId, Running>()
  /** How many processes were started. */
  started = 0

  constructor(directory: string, nowMs: () => number) {
    this.#directory = directory
    this.#nowMs = nowMs
  }

  start(id: ExecId, request: ExecRequest): Running {
    const known = this.#execs.get(id)
    if (known) return known
    const [program = '', ...argv] = request.argv
    if (program.startsWith('/missing')) throw new Failure('exec-failed', `there is no ${program}`)
    this.started++
    const startedAt = this.#nowMs()
    const state: ExecState = {
      ...{ id, status: 'running', reason: null, exitCode: null, signal: null, startedAt, endedAt: null },
      lastSequence: 0,
    }
    const running =
      program === 'true' ? this.#endedAtOnce(state) : this.#spawned({ state, program, argv, request })
    this.#execs.set(id, running)
    return running
  }

  get(id: ExecId): Running {
    const running = this.#execs.get(id)
    if (running === undefined) throw new Failure('not-found', `no command ${id}`)
    return running
  }

  forget(id: ExecId): void {
    this.#execs.delete(id)
  }

  states(): ExecState[] {
    return [...this.#execs.values()].map(({ state }) => state)
  }

  isQuiet(): boolean {
    return this.states().every(({ status }) => status !== 'running')
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    for (const { child, state } of this.#execs.values())
      if (state.status === 'running') killGroup(child, signal)
  }

  async *follow(id: ExecId, after: number, isFollowing: boolean): AsyncGenerator<OutputEvent> {
    const running = this.get(id)
    let next = after
    for (;;) {
      const woken = new Promise<void>((resolve) => running.followers.add(resolve))
      for (const chunk of running.output.slice(next)) {
        next = chunk.sequence
        yield { kind: 'chunk', chunk }
      }
      if (running.state.status !== 'running') break
      if (!isFollowing) return
      await woken
    }
    yield { kind: 'end', exec: running.state }
  }

  /** Programs that end at once need no process: what is measured is the road to the host. */
  #endedAtOnce(state: ExecState): Running {
    const ended: ExecState = { ...state, status: 'exited', exitCode: 0, endedAt: this.#nowMs() }
    return { state: ended, output: [], child: undefined, ended: Promise.resolve(), followers: new Set() }
  }

  #spawned(given: {
    readonly state: ExecState
    readonly program: string
    readonly argv: readonly string[]
    readonly request: ExecRequest
  }): Running {
    const { state, program, argv, request } = given
    const child = spawn(program, argv, {
      cwd: this.#directory,
      env: { PATH: '/usr/bin:/bin', ...request.environment },
      detached: true,
      stdio: 'pipe',
    })
    child.on('error', () => undefined)
    if (!request.stdin) child.stdin.end()
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    const running: Running = { state, output: [], child, ended, followers: new Set() }
    for (const stream of ['stdout', 'stderr'] as const)
      child[stream].on('data', (bytes: Buffer) => this.#heard(running, stream, bytes))
    child.on('close', (exitCode, signal) => {
      const status = signal === null ? 'exited' : 'killed'
      const reason = signal === null ? null : 'signal'
      running.state = { ...running.state, status, reason, exitCode, signal, endedAt: this.#nowMs() }
      resolve()
      wake(running)
    })
    return running
  }

  #heard(running: Running, stream: 'stdout' | 'stderr', bytes: Buffer): void {
    const sequence = running.output.length + 1
    running.output.push({ sequence, stream, at: this.#nowMs(), bytes: bytes.toString('base64') })
    running.state = { ...running.state, lastSequence: sequence }
    wake(running)
  }
}

function wake(running: Running): void {
  const followers = [...running.followers]
  running.followers.clear()
  for (const follower of followers) follower()
}

export function killGroup(child: ChildProcess | undefined, signal: NodeJS.Signals): void {
  if (child?.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // It has ended by itself.
  }
}
