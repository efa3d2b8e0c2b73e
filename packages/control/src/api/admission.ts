import { Failure } from '@holdfast/base/failure'

export interface AdmissionLimits {
  readonly requestsMax: number
  readonly requestsOfKeyMax: number
  /** Streams of events and output, which last. */
  readonly streamsMax: number
  readonly streamsOfKeyMax: number
}

export const ADMISSION_DEFAULT: AdmissionLimits = {
  requestsMax: 1024,
  requestsOfKeyMax: 256,
  streamsMax: 4096,
  streamsOfKeyMax: 1024,
}

/** How many requests are under way. More than fit are refused at once: a queue would only hide the overload. */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #ofKey = new Map<string, number>()
  readonly #underWay = { request: 0, stream: 0 }

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  /** Rejects with `overloaded`. */
  enter(kind: 'request' | 'stream'): Disposable {
    const max = kind === 'stream' ? this.#limits.streamsMax : this.#limits.requestsMax
    if (this.#underWay[kind] >= max)
      throw new Failure('overloaded', `too many ${kind}s are under way`, { requests_max: max })
    this.#underWay[kind]++
    return disposable(() => this.#underWay[kind]--)
  }

  /** Rejects with `too-many-requests`. */
  enterKey(key: string, kind: 'request' | 'stream'): Disposable {
    const { requestsOfKeyMax, streamsOfKeyMax } = this.#limits
    const max = kind === 'stream' ? streamsOfKeyMax : requestsOfKeyMax
    const slot = `${kind} ${key}`
    const now = this.#ofKey.get(slot) ?? 0
    if (now >= max)
      throw new Failure('too-many-requests', `this key has ${max} ${kind}s under way`, { requests_max: max })
    this.#ofKey.set(slot, now + 1)
    return disposable(() => {
      const left = (this.#ofKey.get(slot) ?? 1) - 1
      if (left === 0) this.#ofKey.delete(slot)
      else this.#ofKey.set(slot, left)
    })
  }
}

function disposable(dispose: () => void): Disposable {
  return { [Symbol.dispose]: dispose }
}
