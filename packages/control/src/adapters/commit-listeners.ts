import type { Committed } from '../ports/store.ts'

type Listener = (committed: Committed) => void

/** Who is told of commits. */
export class CommitListeners {
  readonly #listeners = new Set<Listener>()

  add(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(committed: Committed): void {
    if (committed.workspaces.size === 0 && !committed.hasEvents) return
    for (const listener of this.#listeners) listener(committed)
  }
}
