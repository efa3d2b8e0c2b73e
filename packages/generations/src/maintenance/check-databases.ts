import { spawn } from 'node:child_process'
import { closeSync, constants, existsSync, mkdirSync, openSync, rmdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Failure } from '@holdfast/base/failure'
import { type ByteString, toText } from '../format/byte-string.ts'
import { SourceDirectory } from '../scan/source-directory.ts'
import { fileReader } from '../sqlite/file-reader.ts'
import { journalState, type Recovery, recoveryOf } from '../sqlite/journal.ts'

const CHILD = fileURLToPath(new URL('./check-databases-main.ts', import.meta.url))
/** Bounds what is kept of a child's answer: some hundred bytes a database. */
const ANSWER_BYTES_MAX = 64 << 20
const WORDS_MAX = 64

/** What SQLite says of one restored database. */
export interface CheckedDatabase {
  readonly path: string
  /** What `integrity_check` found, or why the database does not open; absent: nothing. */
  readonly problem?: string
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
 * directory is mounted there, in a mount namespace that nobody else sees. Rejects with `unsupported-here` where that
 * cannot be done.
 */
export async function checkDatabases(check: DatabaseCheck): Promise<readonly CheckedDatabase[]> {
  if (check.databases.length === 0) return []
  const needsPath = check.databases.filter(
    (path) => recoveryAt(check.directory, path) === 'rollback-at-its-path',
  )
  const request = JSON.stringify(check.databases)
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', CHILD]
  if (needsPath.length === 0) return parseAnswer(await run([...node, check.directory], request))
  if (!check.isRoot) {
    const path = toText(needsPath[0] ?? '')
    throw new Failure('unsupported-here', `${path} recovers only at ${check.mountPath}, which needs root`, {
      path,
    })
  }
  using _point = mountPoint(check.mountPath)
  const mount = ['sh', '-c', 'mount --bind "$1" "$2" && shift 2 && exec "$@"', 'sh']
  const inside = [...mount, check.directory, check.mountPath, ...node, check.mountPath]
  return parseAnswer(await run(['unshare', '-m', '--propagation', 'private', ...inside], request))
}

function recoveryAt(directory: string, path: ByteString): Recovery {
  using source = new SourceDirectory(directory)
  const journal = source.resolve(`${path}-journal`)
  if (!existsSync(journal)) return 'none'
  return withReader(source.resolve(path), (database) =>
    withReader(journal, (reader) => recoveryOf(database.bytes, journalState(reader))),
  )
}

function withReader<T>(path: string | Buffer, read: (reader: ReturnType<typeof fileReader>) => T): T {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    return read(fileReader(fd))
  } finally {
    closeSync(fd)
  }
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
