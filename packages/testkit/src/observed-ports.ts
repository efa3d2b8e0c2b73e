import { isPromise } from 'node:util/types'

/** The ports whose calls are the steps of an operation. */
export type PortName = 'store' | 'index' | 'holdfs'

/** One call of a port, named `store.put packs`, `index.append` or `holdfs.syncfs`. */
export interface Step {
  readonly name: string
  /** Which of the calls of that name it is, counted from 1. */
  readonly nth: number
}

export interface StepObserver {
  /** Runs before the call is made. */
  readonly before?: (step: Step) => Promise<unknown> | undefined
  /** Runs when the call has been answered, before its caller knows. */
  readonly after?: (step: Step) => Promise<unknown> | undefined
}

/**
 * Ports that behave as they do and tell each of their calls. The boundaries of an operation are thus seen from outside:
 * what can be left behind by a crash is decided by which of these calls were made.
 */
export class ObservedPorts {
  /** Every step that was met so far, in order. */
  readonly steps: Step[] = []
  readonly #observer: StepObserver
  readonly #counts = new Map<string, number>()

  constructor(observer: StepObserver = {}) {
    this.#observer = observer
  }

  observe = <T extends object>(port: T, label: PortName): T => {
    return new Proxy(port, {
      get: (target, property) => {
        const value: unknown = Reflect.get(target, property, target)
        if (typeof value !== 'function') return value
        if (typeof property === 'symbol') return value.bind(target)
        return (...parameters: unknown[]) => {
          const name = stepName(label, property, parameters[0])
          const call = () => value.apply(target, parameters)
          return property === 'list' ? this.#listing(name, call) : this.#answer(name, call)
        }
      },
    })
  }

  async #answer(name: string, call: () => unknown): Promise<unknown> {
    const step = this.#count(name)
    await this.#observer.before?.(step)
    const answer = call()
    const result = isPromise(answer) ? await answer : answer
    await this.#observer.after?.(step)
    return result
  }

  async *#listing(name: string, call: () => AsyncIterable<unknown>): AsyncIterable<unknown> {
    const step = this.#count(name)
    await this.#observer.before?.(step)
    yield* call()
    await this.#observer.after?.(step)
  }

  #count(name: string): Step {
    const nth = (this.#counts.get(name) ?? 0) + 1
    this.#counts.set(name, nth)
    const step = { name, nth }
    this.steps.push(step)
    return step
  }
}

/** Keys of a store begin with what kind of object they name. */
function stepName(label: PortName, method: string, first: unknown): string {
  if (label !== 'store' || typeof first !== 'string') return `${label}.${method}`
  return `${label}.${method} ${first.split('/')[0]}`
}

/** The ports of an operation with something done once, before or after one step. */
export function portsWith<T extends { readonly store: object; readonly index: object }>(
  ports: T,
  at: { readonly when: 'before' | 'after'; readonly step: string; readonly nth?: number },
  run: () => Promise<unknown>,
): T {
  const { when, step, nth = 1 } = at
  const observer = { [when]: (met: Step) => (met.name === step && met.nth === nth ? run() : undefined) }
  const { observe } = new ObservedPorts(observer)
  return { ...ports, store: observe(ports.store, 'store'), index: observe(ports.index, 'index') }
}
