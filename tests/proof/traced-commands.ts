import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Operation } from './operations.ts'
import { parseTrace, type TracedCall } from './traced-calls.ts'
import type { TriedHome } from './tried-home.ts'

const COMMAND_MS_MAX = 120_000
const HOLD = fileURLToPath(import.meta.resolve('../../bin/hold'))

/** The calls that change files, open or close them, or wait for a disk; under the names of x86-64 and arm64. */
export const CALLS = {
  open: ['openat'],
  read: ['pread64'],
  write: ['write', 'writev', 'pwrite64'],
  sync: ['fsync', 'syncfs'],
  close: ['close'],
  link: ['link', 'linkat'],
  rename: ['rename', 'renameat', 'renameat2'],
  unlink: ['unlink', 'unlinkat'],
  mkdir: ['mkdir', 'mkdirat'],
} as const

export interface Injection {
  readonly name: string
  /** At which of a thread's calls of that name, counted from 1. */
  readonly nth: number
  /** Only calls on this path are seen, and counted. */
  readonly path?: string
  /** In strace's words: `error=EIO`, `signal=SIGKILL`. */
  readonly effect: string
}

export interface CommandEnd {
  /** Null when a signal ended it. */
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
  readonly calls: readonly TracedCall[]
}

/** The command that does an operation, as a person would call it. */
function wordsOf(tried: TriedHome, operation: Operation): string[] {
  const { directory } = tried.home
  switch (operation) {
    case 'commit':
      return ['dir', 'commit', directory]
    case 'restore':
      return ['dir', 'restore', directory, '--to', tried.target]
    case 'compact':
    case 'collect':
      return ['dir', 'gc', directory, '--now', '--keep-all', '--orphans']
  }
}

/** Runs the command of an operation, its threads and its native companion under strace, with one fault if one is given. */
export async function traceCommand(
  tried: TriedHome,
  operation: Operation,
  injection?: Injection,
): Promise<CommandEnd> {
  const log = join(tried.scratch, 'strace.log')
  const names = Object.values(CALLS).flat()
  const inject =
    injection === undefined
      ? []
      : ['-e', `inject=${injection.name}:${injection.effect}:when=${injection.nth}`]
  const onPath = injection?.path === undefined ? [] : ['-P', injection.path]
  // Faster, but a signal injected at its stops is lost.
  const filter = injection?.effect.startsWith('signal') ? [] : ['--seccomp-bpf']
  const options = ['-f', '-qq', '-y', ...filter, '-o', log, '-e', `trace=${names.map((name) => `?${name}`)}`]
  const command = [HOLD, ...wordsOf(tried, operation), '-o', 'json']
  // One thread for all calls that wait, because strace counts calls for each thread.
  const threads = { UV_THREADPOOL_SIZE: '1', HOLDFAST_THREADS: '1' }
  const env = { ...process.env, ...threads, HOLDFAST_HOME: join(tried.home.root, 'home') }
  const child = spawn('strace', [...options, ...onPath, ...inject, ...command], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: COMMAND_MS_MAX,
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (output.stderr += text))
  const exitCode = await new Promise<number | null>((resolve, reject) =>
    child.once('close', resolve).once('error', reject),
  )
  return { ...output, exitCode, calls: parseTrace(readFileSync(log, 'utf8')) }
}
