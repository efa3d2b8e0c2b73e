import { createHash } from 'node:crypto'
import { seededNumbers } from '@holdfast/testkit/seeded-numbers'

/** A sequence of draws of its own for each component: one draw more in one of them shifts no other. */
export interface Draws {
  /** From `min` up to, not including, `max`. */
  between(min: number, max: number): number
  within(span: readonly [min: number, max: number]): number
  chance(probability: number): boolean
  pick<T>(choices: readonly [T, ...T[]]): T
  numbers(): number
}

export interface Entry {
  cancel(): void
}

interface Queued {
  readonly dueMs: number
  readonly seq: number
  run: (() => void) | undefined
}

/**
 * True time, and all that happens in it: one queue, by due instant and then by the order of asking. Whoever awaits
 * anything is woken by an entry of this queue and by nothing else, so a seed decides every interleaving.
 */
export class Scheduler {
  readonly #seed: number
  readonly #heap: Queued[] = []
  readonly #log = createHash('sha256')
  readonly #lines: string[] = []
  #seq = 0
  #nowMs = 0
  /** Entries that have run. */
  events = 0

  constructor(seed: number) {
    this.#seed = seed
  }

  get nowMs(): number {
    return this.#nowMs
  }

  draws(component: string): Draws {
    const seed = createHash('sha256').update(`${this.#seed} ${component}`).digest().readUInt32LE()
    const numbers = seededNumbers(seed)
    return {
      numbers,
      between: (min, max) => min + numbers() * (max - min),
      within: ([min, max]) => min + numbers() * (max - min),
      chance: (probability) => numbers() < probability,
      pick: (choices) => choices[Math.floor(numbers() * choices.length)] ?? choices[0],
    }
  }

  after(ms: number, run: () => void): Entry {
    const queued: Queued = { dueMs: this.#nowMs + Math.max(0, ms), seq: this.#seq++, run }
    this.#push(queued)
    return {
      cancel: () => {
        queued.run = undefined
      },
    }
  }

  /** Adds to what two runs of one seed must have in common. */
  log(line: string): void {
    const dated = `${this.#nowMs.toFixed(3)} ${line}`
    this.#log.update(`${dated}\n`)
    this.#lines.push(dated)
    if (this.#lines.length > LINES_MAX) this.#lines.splice(0, LINES_MAX / 2)
  }

  /** The last lines of the log. */
  get tail(): readonly string[] {
    return this.#lines
  }

  /** Of the whole log; ends it. */
  digest(): string {
    return this.#log.digest('hex')
  }

  /** Lets time pass until `untilMs`, or until `isOver`, looked at after each entry and all that it woke. */
  async run(untilMs: number, isOver: () => boolean): Promise<void> {
    await settled()
    for (let next = this.#heap[0]; next !== undefined && next.dueMs <= untilMs; next = this.#heap[0]) {
      this.#pop()
      if (next.run === undefined) continue
      this.#nowMs = next.dueMs
      next.run()
      this.events++
      // One turn of the loop: every promise that the entry settled, and all that these settle, is through.
      await settled()
      if (isOver()) return
    }
    this.#nowMs = untilMs
  }

  #push(queued: Queued): void {
    const heap = this.#heap
    let at = heap.push(queued) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = heap[above]
      if (parent === undefined || isBefore(parent, queued)) break
      heap[at] = parent
      at = above
    }
    heap[at] = queued
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      const [one, other] = [heap[left], heap[left + 1]]
      if (one === undefined) break
      const isOther = other !== undefined && isBefore(other, one)
      const child = isOther ? other : one
      if (isBefore(last, child)) break
      heap[at] = child
      at = isOther ? left + 1 : left
    }
    heap[at] = last
  }
}

const LINES_MAX = 4000

/** One turn of the loop, after all promises that are settled by now, and all that these settle. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function isBefore(a: Queued, b: Queued): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.seq < b.seq)
}
