import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Failure, isFailure } from '@holdfast/base/failure'
import { sqliteFailure } from '../index/sqlite-failure.ts'
import { replaceVolatileFile } from './json-file.ts'

const SQLITE_BUSY = 5

/**
 * Keeps two processes of this machine from writing one directory's history. The lock is the kernel's, on a database
 * file that holds nothing: it ends with the process, however that ends.
 */
export class WriterLock implements Disposable {
  readonly #database: DatabaseSync

  private constructor(database: DatabaseSync) {
    this.#database = database
  }

  /** Rejects with `lease-held`, naming the process that writes, and as opening a database does. */
  static take(directory: string): WriterLock {
    const database = openLock(join(directory, 'writer.lock'))
    try {
      database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    } catch (error) {
      database.close()
      const failure = sqliteFailure(error, join(directory, 'writer.lock'))
      if (!isFailure(failure) || failure.details.sqliteCode !== SQLITE_BUSY) throw failure
      const pid = holderOf(directory)
      throw new Failure('lease-held', `process ${pid} writes the history of this directory`, { pid }, error)
    }
    replaceVolatileFile(join(directory, 'writer.pid'), String(process.pid))
    return new WriterLock(database)
  }

  [Symbol.dispose](): void {
    this.#database.close()
  }
}

function openLock(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path)
  } catch (error) {
    throw sqliteFailure(error, path)
  }
}

function holderOf(directory: string): string {
  try {
    return readFileSync(join(directory, 'writer.pid'), 'utf8')
  } catch {
    return 'unknown'
  }
}
