import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../packages/cli/src/main.js', import.meta.url))
const READY_MS_MAX = 60_000
const STOP_MS_MAX = 40_000
const PAUSE_MS = 50

export interface ServiceOptions {
  /** Words behind `hold`. */
  readonly words: readonly string[]
  readonly logPath: string
  readonly environment: Readonly<Record<string, string>>
  /** Found in what it writes once it answers. */
  readonly ready: RegExp
  /** A program and its words that run it somewhere else than here, the last thing of which is the command itself. */
  readonly within?: readonly string[]
}

/** A `hold` command that runs until it is told to end. It ends in good order when this process is gone, however it goes. */
export class ServiceProcess implements AsyncDisposable {
  readonly #options: ServiceOptions
  #child: ChildProcess | undefined

  private constructor(options: ServiceOptions) {
    this.#options = options
  }

  /** Rejects with the end of its log when it does not come up. */
  static async start(options: ServiceOptions): Promise<ServiceProcess> {
    const service = new ServiceProcess(options)
    await service.start()
    return service
  }

  async start(): Promise<void> {
    const { words, logPath, environment, ready, within = [] } = this.#options
    const log = openSync(logPath, 'w')
    const node = [...within, process.execPath, '--disable-warning=ExperimentalWarning', MAIN, ...words]
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', ...node], {
      stdio: ['ignore', log, log],
      env: { PATH: process.env.PATH, ...environment },
    })
    closeSync(log)
    this.#child = child
    for (const until = performance.now() + READY_MS_MAX; !ready.test(this.log); await delay(PAUSE_MS))
      if (hasEnded(child) || performance.now() > until) {
        await this.end('SIGKILL')
        throw new Error(`hold ${words.join(' ')} did not come up: ${this.log.slice(-3_000)}`)
      }
  }

  /** What it has written since it was started last. */
  get log(): string {
    return readFileSync(this.#options.logPath, 'utf8')
  }

  get isRunning(): boolean {
    return this.#child !== undefined && !hasEnded(this.#child)
  }

  /** Resolves when it is gone; after a while it is killed. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child
    if (child === undefined || hasEnded(child)) return
    const gone = once(child, 'exit')
    child.kill(signal)
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
    await gone
    clearTimeout(late)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGTERM')
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

/** Below those that the kernel gives to connections: what is free now is still free when a role takes it. */
const PORTS_FROM = 20_000
const PORTS = 12_000

/** Ports of this machine that nobody listens on. */
export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = []
  for (let at = (process.pid * 37) % PORTS; found.length < count; at = (at + 1) % PORTS) {
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(PORTS_FROM + at, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (isFree) found.push(PORTS_FROM + at)
  }
  return found
}
