import { createHash, createHmac } from 'node:crypto'
import { Failure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import type { OrgId } from '@holdfast/protocol/identifiers'
import type { Deps } from '../operations/context.ts'
import { KeptAnswers } from './kept-answers.ts'

const KEPT_MS = 24 * 3600 * 1000
const KEY = /^[\x21-\x7e]{1,255}$/

export interface KeyedRequest {
  readonly org: OrgId
  readonly key: string
  /** Method, path, query and body. */
  readonly parts: readonly string[]
  /** The answer tells a secret: it is made again, not kept. */
  readonly isSecret: boolean
}

export interface Answer {
  readonly status: number
  readonly body: string
}

/** Nobody waits until an answer is kept: a request that comes again before is told the same, or carried out again. */
interface Answered {
  readonly given: Answer
  readonly kept: Promise<void>
}

/**
 * Gives the answer of a request again that comes again with the same key: `idempotency-mismatch` if it is another
 * request. Only what was carried out is kept: what was refused may be tried again.
 */
export class Idempotency {
  readonly #deps: Deps
  readonly #answers: KeptAnswers
  readonly #underWay = new Map<string, { readonly fingerprint: string; readonly answer: Promise<Answer> }>()

  constructor(deps: Deps) {
    this.#deps = deps
    this.#answers = new KeptAnswers(deps)
  }

  async once(request: KeyedRequest, carryOut: (randomness: Randomness) => Promise<Answer>): Promise<Answer> {
    const { org, key, isSecret } = request
    if (!KEY.test(key))
      throw new Failure('invalid-argument', 'an Idempotency-Key has 1 to 255 visible characters', {
        argument: 'idempotency-key',
      })
    const fingerprint = createHash('sha256').update(JSON.stringify(request.parts)).digest('hex')
    const slot = `${org} ${key}`
    const running = this.#underWay.get(slot)
    if (running) return await same(fingerprint, running.fingerprint, () => running.answer)
    const seed = JSON.stringify([org, key, fingerprint])
    const answered = this.#answer({ org, key, fingerprint, isSecret }, () =>
      carryOut(keyedRandomness(this.#deps.settings.keyPepper, seed)),
    )
    const answer = answered.then(({ given }) => given)
    this.#underWay.set(slot, { fingerprint, answer })
    void answered
      .then(({ kept }) => kept)
      .catch(() => {}) // an answer that could not be kept is made again, and makes nothing twice
      .finally(() => this.#underWay.delete(slot))
    return await answer
  }

  async #answer(
    request: Omit<KeyedRequest, 'parts'> & { readonly fingerprint: string },
    carryOut: () => Promise<Answer>,
  ): Promise<Answered> {
    const { store, clock } = this.#deps
    const { org, key, fingerprint, isSecret } = request
    const given = await store.read.answers.find(org, key)
    if (given && given.expiresAt > clock.wallMs())
      return {
        given: await same(fingerprint, given.fingerprint, isSecret ? carryOut : async () => given),
        kept: Promise.resolve(),
      }
    const answer = await carryOut()
    const expiresAt = clock.wallMs() + KEPT_MS
    const row = {
      org,
      key,
      fingerprint,
      status: answer.status,
      body: isSecret ? '' : answer.body,
      expiresAt,
    }
    const isKept = answer.status < 300
    return {
      given: answer,
      kept: isKept ? this.#answers.keep(row) : Promise.resolve(),
    }
  }
}

async function same(a: string, b: string, answer: () => Promise<Answer>): Promise<Answer> {
  if (a !== b) throw new Failure('idempotency-mismatch', 'this Idempotency-Key belongs to another request')
  return await answer()
}

/**
 * The same bytes for the same request: ids that it makes are its own, also after a crash between effect and answer.
 * Nobody foretells them who does not know the pepper.
 */
function keyedRandomness(pepper: string, seed: string): Randomness {
  let block = 0
  return {
    bytes: (count) => {
      const parts: Buffer[] = []
      for (let made = 0; made < count; made += 32)
        parts.push(createHmac('sha256', pepper).update(`${seed} ${block++}`).digest())
      return Uint8Array.from(Buffer.concat(parts).subarray(0, count))
    },
  }
}
