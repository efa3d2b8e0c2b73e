import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Socket } from 'node:net'
import { assert, present } from '@holdfast/base/assert'
import { type Clock, systemClock } from '@holdfast/base/clock'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import { encodeRequest, type Reply, ReplySplitter } from './frames.ts'

/** Requests whose reply has not come. Callers await theirs, so only a runaway loop gets here. */
const REQUESTS_PENDING_MAX = 65_536
const STDERR_CHARS_MAX = 4096
const CLOSE_MS_MAX = 10_000
const ID_MODULUS = 2 ** 32

interface Pending {
  readonly resolve: (reply: Reply) => void
  readonly reject: (failure: Failure) => void
}

/**
 * The resident native process, and the requests under way to it. It runs in a session of its own, so that a Ctrl-C
 * meant for this process does not reach it; it ends when this process closes its input or dies, and thaws first.
 * An idle one does not keep this process alive.
 */
export class Companion implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #stdin: Socket
  readonly #stdout: Socket
  readonly #stderrSocket: Socket
  readonly #clock: Clock
  readonly #splitter = new ReplySplitter()
  readonly #pending = new Map<number, Pending>()
  readonly #closed: Promise<unknown>
  #nextId = 1
  #stderr = ''
  #failure: Failure | undefined

  /** Rejects with `unsupported-here` when the binary is absent or cannot be executed. */
  static async start(binaryPath: string, clock: Clock = systemClock): Promise<Companion> {
    const child = spawn(binaryPath, [], { stdio: 'pipe', detached: true, cwd: '/', env: {} })
    try {
      await once(child, 'spawn')
    } catch (cause) {
      throw new Failure(
        'unsupported-here',
        `the native file-system companion cannot be started (${errnoOf(cause) ?? 'unknown'}): build it with \`npm run native\``,
        { path: binaryPath },
        cause,
      )
    }
    return new Companion(child, clock)
  }

  private constructor(child: ChildProcess, clock: Clock) {
    this.#child = child
    this.#clock = clock
    this.#stdin = socketOf(child.stdin)
    this.#stdout = socketOf(child.stdout)
    this.#stderrSocket = socketOf(child.stderr)
    this.#closed = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#fail(`the native companion ended (${signal ?? `status ${code}`}) ${this.#stderr}`.trim())
        resolve(undefined)
      })
    })
    this.#stdin.on('error', () => {}) // its end is told by 'close'
    this.#stdout.on('error', () => {})
    this.#stdout.on('data', (chunk: Buffer) => this.#receive(chunk))
    this.#stderrSocket.on('error', () => {})
    this.#stderrSocket.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString('latin1')).slice(-STDERR_CHARS_MAX)
    })
    this.#stdin.unref()
    this.#letProcessEnd()
  }

  get pid(): number {
    return present(this.#child.pid, 'the pid of a running companion')
  }

  /** Sends one request; replies come in the order of the requests. Rejects with `helper-failed` when the process ends. */
  request(operation: number, payload: Buffer): Promise<Reply> {
    if (this.#failure) return Promise.reject(this.#failure)
    assert(this.#pending.size < REQUESTS_PENDING_MAX, 'too many requests at once to the native companion')
    const id = this.#nextId
    const frame = encodeRequest(id, operation, payload)
    this.#nextId = (id + 1) % ID_MODULUS
    this.#keepProcess()
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#stdin.write(frame)
    })
  }

  /** Lets requests under way finish, then ends the process: what it still holds frozen is thawed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#keepProcess()
    this.#stdin.end()
    const waited = new AbortController()
    const late = this.#clock.sleep(CLOSE_MS_MAX, waited.signal).catch(() => {})
    await Promise.race([this.#closed, late])
    waited.abort()
    this.#fail('the native companion is closed')
  }

  #receive(chunk: Buffer): void {
    try {
      for (const reply of this.#splitter.push(chunk)) this.#settle(reply)
    } catch (cause) {
      this.#fail(cause instanceof Error ? cause.message : String(cause))
      this.#child.kill('SIGTERM')
    }
  }

  #settle(reply: Reply): void {
    const pending = this.#pending.get(reply.id)
    if (!pending)
      throw new Failure('helper-failed', 'the native companion answered a request that is not open')
    this.#pending.delete(reply.id)
    if (this.#pending.size === 0) this.#letProcessEnd()
    pending.resolve(reply)
  }

  #fail(message: string): void {
    this.#failure ??= new Failure('helper-failed', message)
    for (const pending of this.#pending.values()) pending.reject(this.#failure)
    this.#pending.clear()
    this.#letProcessEnd()
  }

  /** Until the replies that are waited for, or the end of the companion, have been heard of. */
  #keepProcess(): void {
    for (const each of [this.#child, this.#stdout, this.#stderrSocket]) each.ref()
  }

  #letProcessEnd(): void {
    for (const each of [this.#child, this.#stdout, this.#stderrSocket]) each.unref()
  }
}

function socketOf(stream: unknown): Socket {
  assert(stream instanceof Socket, 'a stream of the companion is not a pipe')
  return stream
}
