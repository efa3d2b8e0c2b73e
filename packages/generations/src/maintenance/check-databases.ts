import { spawn } from 'node:child_process'
import { mkdirSync, rmdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Failure } from '@holdfast/base/failure'
import { type ByteString, toText } from '../format/byte-string.ts'
import { superJournalOf } from '../restore/bound-databases.ts'

const CHILD = fileURLToPath(new URL('./check-databases-main.ts', import.meta.url))
/** Bounds what is kept of a child's answer: some hundred bytes a database. */
const ANSWER_BYTES_MAX = 64 << 20
const WORDS_MAX = 64

/** What SQLite says of one restored database. */
export interface CheckedDatabase {
  readonly path: string
  /** What `integrity_check` found, or why the database does not open; absent: nothing. */
  readonly problem?: string
  /** Why it was not opened; absent: it was. */
  readonly notChecked?: string
  /** What is worth telling and no damage: foreign keys that the application left dangling, indexes of its own kind. */
  readonly notes: readonly string[]
  readonly tables: number
  /** Over all tables: a number that a person can compare. */
  readonly rows: number
}

export interface DatabaseCheck {
  /** The restored directory; its databases are opened, and so changed where one recovers. */
  readonly directory: string
  readonly databases: readonly ByteString[]
  /** The path at which the writers had the directory. */
  readonly mountPath: string
  /** True when this process may mount. */
  readonly isRoot: boolean
}

/**
 * Opens every database with SQLite, in a process of its own: recovery, `integrity_check`, `foreign_key_check` and a
 * count of all rows. One whose journal names a super-journal recovers rightly only at the path of its writers: then the
 * directory is mounted there, in a mount namespace that nobody else sees. Where that cannot be, it is not opened, and
 * the answer says why. Rejects with `unsupported-here` when SQLite cannot be asked at all.
 */
export async function checkDatabases(check: DatabaseCheck): Promise<readonly CheckedDatabase[]> {
  const { directory, mountPath } = check
  const bound = new Map(check.databases.map((path) => [path, superJournalOf(directory, path)]))
  const left = new Map<ByteString, CheckedDatabase>()
  for (const [path, superJournal] of bound) {
    const reason = superJournal === undefined ? undefined : whyNotOpened(check, superJournal)
    if (reason !== undefined)
      left.set(path, { path: toText(path), notChecked: reason, notes: [], tables: 0, rows: 0 })
  }
  const opened = check.databases.filter((path) => !left.has(path))
  const isMounted = opened.some((path) => bound.get(path) !== undefined)
  const answers = isMounted
    ? await checkMounted(directory, mountPath, opened)
    : await checkThere(directory, opened)
  const answerOf = new Map(opened.map((path, index) => [path, answers[index]]))
  return check.databases.flatMap((path) => answerOf.get(path) ?? left.get(path) ?? [])
}

/** Undefined where a database that recovers only with this super-journal can be opened. */
function whyNotOpened({ mountPath, isRoot }: DatabaseCheck, superJournal: string): string | undefined {
  if (!superJournal.startsWith(`${mountPath}/`))
    return `its transaction was begun at another path: ${superJournal}`
  return isRoot ? undefined : `it recovers only at ${mountPath}, and mounting it there needs root`
}

const NODE = [process.execPath, '--disable-warning=ExperimentalWarning', CHILD]

async function checkThere(
  directory: string,
  databases: readonly ByteString[],
): Promise<readonly CheckedDatabase[]> {
  if (databases.length === 0) return []
  return parseAnswer(await run([...NODE, directory], JSON.stringify(databases)))
}

async function checkMounted(
  directory: string,
  mountPath: string,
  databases: readonly ByteString[],
): Promise<readonly CheckedDatabase[]> {
  using _point = mountPoint(mountPath)
  const mount = ['sh', '-c', 'mount --bind "$1" "$2" && shift 2 && exec "$@"', 'sh']
  const inside = [...mount, directory, mountPath, ...NODE, mountPath]
  const program = ['unshare', '-m', '--propagation', 'private', ...inside]
  return parseAnswer(await run(program, JSON.stringify(databases)))
}

/** A directory to mount on; what had to be made for it is removed at the end of the scope. */
function mountPoint(path: string): Disposable {
  const first = mkdirSync(path, { recursive: true })
  return {
    [Symbol.dispose]: () => {
      if (first === undefined) return
      for (let made = path; made.length >= first.length; made = dirname(made)) rmdirSync(made)
    },
  }
}

/** The output of a program. Rejects with `unsupported-here` when it cannot be started or ends in failure. */
async function run([program = '', ...args]: readonly string[], input: string): Promise<string> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], cwd: '/' })
  const output: Buffer[] = []
  const said: Buffer[] = []
  let bytes = 0
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= ANSWER_BYTES_MAX) output.push(chunk)
    else child.kill()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    if (said.length < WORDS_MAX) said.push(chunk)
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve) => {
    child.on('error', () => resolve(null))
    child.on('close', resolve)
  })
  if (code === 0) return Buffer.concat(output).toString('utf8')
  const words = Buffer.concat(said).toString('utf8').trim().slice(0, 500)
  throw new Failure(
    'unsupported-here',
    `databases cannot be checked here: ${program} ended with ${code}: ${words}`,
    {
      program,
      code,
    },
  )
}

function parseAnswer(text: string): readonly CheckedDatabase[] {
  return JSON.parse(text) as readonly CheckedDatabase[]
}
