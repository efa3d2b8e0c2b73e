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

/** What SQLite says of one restored database. */
export interface CheckedDatabase {
  readonly path: string
  /** Undefined: `integrity_check` and `foreign_key_check` found nothing. */
  readonly problem: string | undefined
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
  const needsPath = check.databases.filter((path) => recoveryAt(check.directory, path) === 'rollback-at-its-path')
  const request = JSON.stringify({ databases: check.databases })
  if (needsPath.length === 0)
    return parseAnswer(await run(process.execPath, [...NODE_FLAGS, CHILD, check.directory], request))
  if (!check.isRoot) {
    const path = toText(needsPath[0] ?? '')
    throw new Failure('unsupported-here', `${path} recovers only at ${check.mountPath}, which needs root`, { path })
  }
  using _point = makeMountPoint(check.mountPath)
  const script = 'mount --bind "$1" "$2" && shift && exec "$@"'
  const command = ['sh', '-c', script, 'sh', check.directory, check.mountPath]
  const child = [process.execPath, ...NODE_FLAGS, CHILD, check.mountPath]
  // The shell drops the source directory and hands the mount point on as the first argument of nothing else.
  return parseAnswer(await run('unshare', ['-m', '--propagation', 'private', ...command, ...child], request))
}

const NODE_FLAGS = ['--disable-warning=ExperimentalWarning']
