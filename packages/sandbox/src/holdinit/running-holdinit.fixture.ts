import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { systemBootClock } from '@holdfast/base/boot-clock'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import type { ExecRequest } from '@holdfast/protocol/exec'
import type { HoldinitCommand } from './exec-request.ts'
import { Holdinit, type HoldinitOptions } from './holdinit.ts'
import type { HoldinitExec } from './holdinit-exec.ts'
import { type HoldinitFlags, holdinitArguments, writeNonce } from './start-holdinit.ts'

export const BINARY = join(import.meta.dirname, '../../../../build/holdinit')
/** Whatever becomes of a test, its holdinit and all below it end by then. */
const LIFE_MS = 30_000

/** Makes it pid 1 of a namespace, which ends with it. */
export const PID_NAMESPACE = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'] as const

export interface RunningHoldinit {
  readonly child: ChildProcess
  readonly holdinit: Holdinit
  /** Its folder, with `control/control.sock`, `guest.sock`. */
  readonly folder: string
  readonly nonce: Uint8Array
  connect(options?: Partial<HoldinitOptions>): Promise<Holdinit>
}

export interface RunningOptions {
  readonly flags?: Partial<HoldinitFlags>
  /** In place of the binary: `[program, ...words]` that ends by running it. */
  readonly wrapper?: readonly string[]
  readonly binary?: string
  readonly connection?: Partial<HoldinitOptions>
  /** Whose the folder is. */
  readonly owner?: number
}

/** Starts holdinit, as pid 1 of a namespace of its own where `wrapper` says so; it ends with the test. */
export async function startHoldinit(
  test: TestContext,
  options: RunningOptions = {},
): Promise<RunningHoldinit> {
  const folder = mkdtempSync(join(tmpdir(), 'holdinit-'))
  chmodSync(folder, 0o755)
  mkdirSync(join(folder, 'control'), { mode: 0o700 })
  const flags: HoldinitFlags = {
    controlPath: join(folder, 'control/control.sock'),
    guestPath: join(folder, 'guest.sock'),
    noncePath: join(folder, 'control/nonce'),
    deadlineBootMs: systemBootClock.bootMs() + LIFE_MS,
    ...options.flags,
  }
  const nonce = await writeNonce(flags.noncePath, systemRandomness)
  if (options.owner !== undefined) {
    for (const path of [folder, join(folder, 'control'), flags.noncePath])
      chownSync(path, options.owner, options.owner)
  }
  const [program = '', ...words] = [
    ...(options.wrapper ?? []),
    options.binary ?? BINARY,
    ...holdinitArguments(flags),
  ]
  const child = spawn(program, words, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ASAN_OPTIONS: 'detect_leaks=0', PATH: process.env.PATH },
  })
  test.after(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(options.wrapper === undefined ? 'SIGTERM' : 'SIGKILL') // unshare ignores TERM
      await once(child, 'exit')
    }
    rmSync(folder, { recursive: true, force: true })
  })
  const connect = (connection: Partial<HoldinitOptions> = {}) =>
    Holdinit.connect({
      socketPath: flags.controlPath,
      nonce,
      clock: systemClock,
      workspacePath: '/',
      ...connection,
    })
  const holdinit = await connect(options.connection)
  test.after(() => holdinit[Symbol.asyncDispose]())
  return { child, holdinit, folder, nonce, connect }
}

/** A command of `sh -c`. */
export function shell(script: string, rest: Partial<HoldinitCommand> = {}): HoldinitCommand {
  return command(['sh', '-c', script], rest)
}

export function command(argv: string[], rest: Partial<HoldinitCommand> = {}): HoldinitCommand {
  const plain: ExecRequest = {
    argv,
    cwd: '/',
    environment: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin' },
    user: 'user',
    stdin: false,
  }
  return { ...plain, ...rest }
}

export interface Collected {
  stdout: string
  stderr: string
  terminal: string
}

/** All its output, by stream. */
export async function collect(exec: HoldinitExec): Promise<Collected> {
  const collected: Collected = { stdout: '', stderr: '', terminal: '' }
  for await (const piece of exec.output)
    collected[piece.stream] += Buffer.from(piece.bytes).toString('latin1')
  return collected
}

/** How many processes have `words` in their command line; those of the shell that runs it not counted. */
export function countRunning(words: string): number {
  let count = 0
  for (const name of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(name)) continue
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ')
      const state = readFileSync(`/proc/${name}/stat`, 'latin1')
      if (line.startsWith(words) && !/\) Z /.test(state)) count += 1
    } catch {
      // it ended while it was looked at
    }
  }
  return count
}

/** Resolves once it holds; the test's own time limit ends a wait in vain. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await systemClock.sleep(5)
}

/** The output and the end of a command. */
export async function run(holdinit: Holdinit, wanted: HoldinitCommand) {
  const exec = await holdinit.exec(wanted)
  const [output, end] = await Promise.all([collect(exec), exec.ended])
  return { ...output, end }
}
