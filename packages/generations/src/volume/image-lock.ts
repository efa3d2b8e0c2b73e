import { DatabaseSync } from 'node:sqlite'
import type { Clock } from '@holdfast/base/clock'
import { Failure, isFailure } from '@holdfast/base/failure'

/** Making an image takes the longest. */
const WAIT_MS_MAX = 30_000
const RETRY_MS = 10

/**
 * Lets one process of this machine at a time make or mount the image of a home. The lock is the kernel's, on a
 * database file that holds nothing: it ends with the process, however that ends.
 */
export class ImageLock implements Disposable {
  readonly #database: DatabaseSync

  private constructor(database: DatabaseSync) {
    this.#database = database
  }

  /**
   * Waits for it. Rejects with `lease-held` when another process keeps it for too long, with `volume-full` or
   * `source-failed`.
   */
  static async take(path: string, clock: Clock): Promise<ImageLock> {
    const deadlineMs = clock.monotonicMs() + WAIT_MS_MAX
    for (;;) {
      try {
        return ImageLock.#tryTake(path)
      } catch (error) {
        if (!isFailure(error, 'lease-held') || clock.monotonicMs() > deadlineMs) throw error
        await clock.sleep(RETRY_MS)
      }
    }
  }

  static #tryTake(path: string): ImageLock {
    const database = new DatabaseSync(path, { timeout: 0 })
    try {
      database.exec('BEGIN EXCLUSIVE')
    } catch (error) {
      database.close()
      throw lockFailure(path, error)
    }
    return new ImageLock(database)
  }

  [Symbol.dispose](): void {
    this.#database.close()
  }
}

/** Primary result codes of SQLite (https://www.sqlite.org/rescode.html). */
const SQLITE_BUSY = 5
const SQLITE_FULL = 13

function lockFailure(path: string, error: unknown): Failure {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0
  if (code === SQLITE_BUSY) return new Failure('lease-held', `another process keeps ${path}`, { path }, error)
  const isFull = code === SQLITE_FULL
  const said = `cannot lock ${path}: ${error instanceof Error ? error.message : String(error)}`
  return new Failure(isFull ? 'volume-full' : 'source-failed', said, { path }, error)
}
