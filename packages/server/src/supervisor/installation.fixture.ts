import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import type { UpOptions } from '../installation.ts'
import { RunningInstallation } from './running-installation.ts'

const HOLD = fileURLToPath(new URL('../../../cli/src/main.js', import.meta.url))

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at any field of an answer
  readonly body: any
}

/** A folder in which `hold up` runs, once or one after another. */
export class HomeForTest implements AsyncDisposable {
  readonly path = mkdtempSync(join(tmpdir(), 'holdfast-up-'))
  readonly options: UpOptions
  #running: RunningInstallation | undefined

  constructor(change: Partial<UpOptions> = {}) {
    this.options = {
      ...{ home: this.path, api: '127.0.0.1:0', apps: '127.0.0.1:0', store: null, database: null },
      ...{ runtimes: ['runc'], volume: 'live', graceMs: 20_000 },
      ...change,
    }
  }

  get running(): RunningInstallation {
    if (this.#running) return this.#running
    throw new Error('it does not run')
  }

  async up(): Promise<void> {
    const deps = { clock: systemClock, randomness: systemRandomness, onChange: () => {} }
    this.#running = await RunningInstallation.start(deps, this.options)
  }

  async down(): Promise<void> {
    await this.#running?.[Symbol.asyncDispose]()
    this.#running = undefined
  }

  /** `GET /workspaces` and the like; a body that is not bytes is sent as JSON. */
  async ask(line: string, body?: unknown): Promise<Answer> {
    const [method = 'GET', path = ''] = line.split(' ')
    const isBytes = body instanceof Uint8Array
    const response = await fetch(`${this.running.url}/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${readFileSync(join(this.path, 'server', 'admin.key'), 'utf8').trim()}`,
        ...(body === undefined ? {} : { 'content-type': isBytes ? 'application/x-tar' : 'application/json' }),
      },
      ...(body === undefined ? {} : { body: isBytes ? new Uint8Array(body) : JSON.stringify(body) }),
    })
    const bytes = Buffer.from(await response.arrayBuffer())
    const isJson = response.headers.get('content-type')?.startsWith('application/json')
    const document = isJson ? JSON.parse(bytes.toString()) : undefined
    return { status: response.status, headers: response.headers, bytes, body: document }
  }

  /** What a command line on this box prints. */
  async hold(...words: readonly string[]): Promise<string> {
    const environment = { PATH: process.env.PATH, HOLDFAST_HOME: this.path, NO_COLOR: '1' }
    const { stdout } = await promisify(execFile)(process.execPath, [HOLD, ...words], { env: environment })
    return stdout
  }

  /** The end of a command and what it printed. */
  async run(workspace: string, ...argv: readonly string[]): Promise<string> {
    const { body } = await this.ask(`POST /workspaces/${workspace}/execs?wait=30s`, { argv })
    const parts = (body.output ?? []).map(({ bytes }: { bytes: string }) => Buffer.from(bytes, 'base64'))
    return Buffer.concat(parts).toString()
  }

  /** Asks until it fits. */
  async until(line: string, fits: (body: Answer['body']) => boolean): Promise<Answer['body']> {
    for (let left = 300; left > 0; left--) {
      const { body } = await this.ask(line)
      if (fits(body)) return body
      await delay(50)
    }
    throw new Error(`${line} did not come to that: ${JSON.stringify((await this.ask(line)).body)}`)
  }

  /** What is mounted below it. */
  mounts(): readonly string[] {
    return readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '')
      .filter((point) => point.startsWith(`${this.path}/`))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down()
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  }
}
