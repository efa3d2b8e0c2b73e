import type { Clock } from '@holdfast/base/clock'
import type { GivenAnswer } from '../ports/entities.ts'
import type { Store } from '../ports/store.ts'

/** Nobody waits for them: those of many requests travel together, apart from what requests do wait for. */
const GATHER_MS = 100

/** Answers on their way into the database. */
export class KeptAnswers {
  readonly #store: Pick<Store, 'write'>
  readonly #clock: Clock
  #gathered: GivenAnswer[] = []
  #kept: Promise<void> | undefined

  constructor({ store, clock }: { readonly store: Pick<Store, 'write'>; readonly clock: Clock }) {
    this.#store = store
    this.#clock = clock
  }

  /** Resolves once it is durable. */
  keep(answer: GivenAnswer): Promise<void> {
    this.#gathered.push(answer)
    this.#kept ??= this.#clock.sleep(GATHER_MS).then(() => this.#write())
    return this.#kept
  }

  #write(): Promise<void> {
    const answers = this.#gathered
    this.#gathered = []
    this.#kept = undefined
    return this.#store.write(async (changes) => {
      for (const answer of answers) await changes.answers.put(answer)
    })
  }
}
