import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import { z } from 'zod'
import { type DatabaseLine, type DatabaseRequest, MOUNTED_DIRECTORY } from './query/query-messages.ts'

const CODE = fileURLToPath(new URL('./query', import.meta.url))
const MOUNTED_CODE = '/mnt/code'
const MOUNTED_NODE = '/mnt/node'
/** V8's code range counts 512 MiB of it, used or not; a query has the rest. */
const DATA_BYTES_MAX = 1 << 30
const HEAP_MIB_MAX = 128
/** Above what a request may ask for, in JSON: what comes beyond it is no answer of ours. */
const OUTPUT_BYTES_MAX = 16 << 20
const WORDS_MAX = 500
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin'

const Line: z.ZodType<DatabaseLine> = z.union([
  z.strictObject({ columns: z.array(z.string()) }),
  z.strictObject({ row: z.array(z.union([z.string(), z.number(), z.null()])) }),
  z.strictObject({ end: z.strictObject({ isWhole: z.boolean() }) }),
  z.strictObject({ refused: z.string() }),
])

export interface DatabaseTask {
  readonly request: DatabaseRequest
  /** Holds the database and nothing else of worth; a settling process writes there. */
  readonly directory: string
  /** Where the writers had the directory, if it must be mounted there. */
  readonly mountPath?: string
  readonly clock: Clock
  readonly msMax: number
  readonly signal?: AbortSignal
  /** True when this process may mount and become nobody: then that is what opens the database. */
  readonly isRoot: boolean
}

export interface DatabaseAnswer {
  readonly lines: readonly DatabaseLine[]
  /** `stopped`: it was killed, by time or by a bound of its memory. */
  readonly ending: 'ended' | 'late' | 'stopped'
}

/**
 * Asks a process of its own to open a database that anybody may have written. It is bounded in memory, processor time
 * and wall time, dies with this process, and where this one is root it is nobody, without rights or network.
 * Rejects with `unsupported-here` where such a process cannot be started.
 */
export async function askDatabase(task: DatabaseTask): Promise<DatabaseAnswer> {
  task.signal?.throwIfAborted()
  const [program = '', ...args] = commandOf(task)
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], cwd: '/', env: { PATH } })
  let isLate = false
  const over = new AbortController()
  const late = task.clock.sleep(task.msMax, over.signal).then(
    () => {
      isLate = true
      child.kill('SIGKILL')
    },
    () => {}, // it ended by itself
  )
  const abort = () => child.kill('SIGKILL')
  task.signal?.addEventListener('abort', abort)
  try {
    const ended = collect(child)
    child.stdin?.on('error', () => {}) // it ended before it was asked; its end is told below
    child.stdin?.end(JSON.stringify(task.request))
    const { code, output, words } = await ended
    task.signal?.throwIfAborted()
    const lines = parseLines(output)
    if (isLate) return { lines, ending: 'late' }
    if (code === 0) return { lines, ending: 'ended' }
    if (lines.length === 0 && code !== null && code < 128) throw unstarted(program, code, words)
    return { lines, ending: 'stopped' }
  } finally {
    task.signal?.removeEventListener('abort', abort)
    over.abort()
    await late
  }
}

function commandOf({ isRoot, directory, mountPath, request, msMax }: DatabaseTask): string[] {
  const cpuSeconds = Math.ceil(msMax / 1000) + 1
  // Only a database that is being settled is written; a query sorts in memory.
  const fileBytes = request.kind === 'query' ? ['--fsize=0'] : []
  const bounds = ['prlimit', '--core=0', `--data=${DATA_BYTES_MAX}`, `--cpu=${cpuSeconds}`, ...fileBytes]
  const node = (program: string, code: string) => [
    ...[program, `--max-old-space-size=${HEAP_MIB_MAX}`, '--disable-warning=ExperimentalWarning'],
    ...['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', `${code}/query-main.ts`],
  ]
  const tied = ['setpriv', '--pdeathsig', 'KILL']
  if (!isRoot) return [...tied, ...bounds, ...node(process.execPath, CODE)]
  const namespaces = ['unshare', '--mount', '--net', '--ipc', '--pid', '--fork', '--kill-child']
  const access = request.kind === 'query' ? 'ro' : 'rw'
  const isolate = ['sh', `${CODE}/isolate.sh`, CODE, process.execPath, directory, access, mountPath ?? '-']
  return [
    ...[...tied, ...namespaces, '--propagation', 'private', ...isolate],
    ...[...bounds, ...node(MOUNTED_NODE, MOUNTED_CODE)],
  ]
}

/** Where the process sees a file of the directory. */
export function seenAt(
  { isRoot, directory }: Pick<DatabaseTask, 'isRoot' | 'directory'>,
  name: string,
): string {
  return `${isRoot ? MOUNTED_DIRECTORY : directory}/${name}`
}

interface Ended {
  readonly code: number | null
  readonly output: string
  readonly words: string
}

function collect(child: ChildProcess): Promise<Ended> {
  const output: Buffer[] = []
  let words = ''
  let bytes = 0
  child.stdout?.on('data', (part: Buffer) => {
    bytes += part.length
    if (bytes <= OUTPUT_BYTES_MAX) output.push(part)
    else child.kill('SIGKILL')
  })
  child.stderr?.on('data', (part: Buffer) => {
    words = (words + part.toString()).slice(0, WORDS_MAX)
  })
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: 127, output: '', words: error.message }))
    child.on('close', (code) => resolve({ code, output: Buffer.concat(output).toString(), words }))
  })
}

/** The last line may be half of one. Rejects with `invalid-argument` where a database has led its reader astray. */
function parseLines(output: string): DatabaseLine[] {
  try {
    return output
      .split('\n')
      .slice(0, -1)
      .map((line) => Line.parse(JSON.parse(line)))
  } catch (error) {
    throw new Failure('invalid-argument', 'what read the database answered nonsense', {}, error)
  }
}

function unstarted(program: string, code: number, words: string): Failure {
  return new Failure(
    'unsupported-here',
    `a database cannot be opened apart here: ${program} ended with ${code}`,
    {
      program,
      code,
      words,
    },
  )
}
