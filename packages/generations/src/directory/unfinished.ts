import { existsSync, renameSync, rmSync } from 'node:fs'

/** What a process that is told to end must not leave behind: outputs that are not complete. */
export class Unfinished {
  readonly #outputs = new Set<string>()

  /** A file or directory that is being made, until the end of the scope; its name must be nobody else's. */
  add(path: string): Disposable {
    this.#outputs.add(path)
    return { [Symbol.dispose]: () => void this.#outputs.delete(path) }
  }

  /** Removes them all at once; whoever still writes them fails. */
  removeAll(): void {
    for (const path of this.#outputs) removeBusy(path)
    this.#outputs.clear()
  }
}

/** Other threads may be making files in it: under another name it is out of their reach. */
function removeBusy(path: string): void {
  if (!existsSync(path)) return
  const away = `${path}.removed`
  renameSync(path, away)
  rmSync(away, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 })
}
