import { DatabaseSync } from 'node:sqlite'
import { Failure } from '@holdfast/base/failure'

/** Making an image takes the longest. */
const WAIT_MS_MAX = 30_000

/**
 * Lets one process of this machine at a time make or mount the image of a home. The lock is the kernel's, on a
 * database file that holds nothing: it ends with the process, however that ends.
 */
export class ImageLock implements Disposable {
  readonly #database: DatabaseSync

  private constructor(database: DatabaseSync) {
    this.#database = database
  }

  /** Waits for it. Rejects with `lease-held` when another process keeps it for too long. */
  static take(path: string): ImageLock {
    const database = new DatabaseSync(path, { timeout: WAIT_MS_MAX })
    try {
      database.exec('BEGIN EXCLUSIVE')
    } catch (error) {
      database.close()
      throw new Failure('lease-held', `another process keeps ${path}`, { path }, error)
    }
    return new ImageLock(database)
  }

  [Symbol.dispose](): void {
    this.#database.close()
  }
}
