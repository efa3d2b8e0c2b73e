import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { seededRandomness } from './seeded-numbers.ts'

/** One put in a process of its own: see `put-object-main.ts`. */
export interface TracedPut {
  readonly folder: string
  readonly key: string
  readonly bytes: number
  /** Where strace writes the calls it saw. */
  readonly log: string
}

export interface Injection {
  /** Names of system calls separated by commas, such as `link,linkat`. */
  readonly calls: string
  /** What happens, in strace's words: `error=EIO`, `signal=SIGKILL`. */
  readonly effect: string
  /** At which of these calls, counted from 1 for each name. */
  readonly at: number
  /** Only calls on these paths; all of the store's if absent. */
  readonly paths?: readonly string[]
}

/** The calls that change a store or wait for its disk, under their x86-64 and arm64 names. */
export const storeCalls = [
  'openat',
  'write',
  'writev',
  'fsync',
  'close',
  'mkdir,mkdirat',
  'link,linkat',
  'rename,renameat,renameat2',
  'unlink,unlinkat',
] as const

const main = join(import.meta.dirname, 'put-object-main.ts')

/** The name of the n-th unfinished file that `put-object-main.ts` makes. */
export function unfinishedName(n: number): string {
  const randomness = seededRandomness(1)
  for (let skipped = 1; skipped < n; skipped += 1) randomness.bytes(16)
  return Buffer.from(randomness.bytes(16)).toString('hex')
}

/** The bytes that it puts. */
export function tracedBytes(put: TracedPut): Buffer {
  return Buffer.from(seededRandomness(put.bytes).bytes(put.bytes))
}

/** Runs it under strace, which injects one fault; gives what it printed: `stored`, a failure code, or nothing. */
export async function tracePut(put: TracedPut, injection?: Injection): Promise<string> {
  const paths = (injection?.paths ?? storePaths(put)).flatMap((path) => ['-P', path])
  const traced = injection?.calls ?? storeCalls.join(',')
  const inject = injection ? ['-e', `inject=${injection.calls}:${injection.effect}:when=${injection.at}`] : []
  // Faster, but a signal injected at its stops is lost.
  const filter = injection?.effect.startsWith('signal') ? [] : ['--seccomp-bpf']
  const options = ['-f', '-qq', '-y', ...filter, '-o', put.log, '-e', `trace=${traced}`, ...inject, ...paths]
  const command = [process.execPath, main, put.folder, put.key, String(put.bytes)]
  // One thread for all calls that wait, because strace counts calls for each thread.
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1', NODE_COMPILE_CACHE: join(dirname(put.log), 'cache') }
  const child = spawn('strace', [...options, ...command], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const output: string[] = []
  child.stdout.on('data', (chunk) => output.push(String(chunk)))
  child.stderr.on('data', (chunk) => output.push(String(chunk)))
  await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject))
  return output.join('').trim()
}

/** How often an undisturbed run makes each of `storeCalls` on the store's paths, by the log that it left. */
export async function countCalls(log: string): Promise<Map<string, number>> {
  const text = await readFile(log, 'utf8')
  const counts = storeCalls.map((calls) => {
    const seen = new RegExp(`^\\d+ +(?:${calls.replaceAll(',', '|')})\\(`, 'gm')
    return [calls, text.match(seen)?.length ?? 0] as const
  })
  return new Map(counts)
}

/** The paths that a run synced, in order, by the log that it left. */
export async function syncedPaths(log: string): Promise<string[]> {
  const text = await readFile(log, 'utf8')
  return Array.from(text.matchAll(/^\d+ +fsync\(\d+<([^>]*)>/gm), ([, path]) => path ?? '')
}

function storePaths({ folder, key }: TracedPut): string[] {
  const parts = ['objects', ...key.split('/')]
  const folders = parts.map((_, index) => join(folder, ...parts.slice(0, index)))
  const unfinished = [1, 2].map((n) => join(folder, 'tmp', unfinishedName(n)))
  const marker = [join(folder, 'holdfast-store'), join(folder, `holdfast-store.${unfinishedName(1)}`)]
  return [
    dirname(dirname(folder)),
    dirname(folder),
    ...folders,
    join(folder, ...parts),
    join(folder, 'tmp'),
    ...unfinished,
    ...marker,
  ]
}
