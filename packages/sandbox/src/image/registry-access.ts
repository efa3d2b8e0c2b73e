import { type LookupAddress, type LookupOptions, lookup } from 'node:dns'
import { isIP } from 'node:net'
import { Failure } from '@holdfast/base/failure'
import { Agent, type Dispatcher, fetch, type Response } from 'undici'
import { isPublicAddress } from './public-address.ts'

type Resolved = (error: Error | null, addresses: LookupAddress[]) => void
/** As `dns.lookup` with `all`. */
export type Resolve = (name: string, options: LookupOptions & { all: true }, resolved: Resolved) => void

export interface RegistryAccessDeps {
  /** `host` or `host:port` of registries that may be at any address: the operator's word. */
  readonly registries: readonly string[]
  readonly resolve?: Resolve
}

/**
 * Fetches from registries. Whoever names an image chooses what is asked, and a registry where it leads: only what is
 * listed is reached at addresses that are not public. The address is judged that is then dialled.
 */
export class RegistryAccess implements AsyncDisposable {
  readonly #registries: readonly string[]
  readonly #listed = new Agent()
  readonly #others: Agent

  constructor({ registries, resolve = lookup }: RegistryAccessDeps) {
    this.#registries = registries
    this.#others = new Agent({ connect: { lookup: publicLookup(resolve) } })
  }

  /** Follows no redirect. Rejects with `image-refused` for an address that is not public, else as `fetch`. */
  async get(url: URL, headers: Readonly<Record<string, string>>, timeoutMs: number): Promise<Response> {
    const dispatcher = this.#dispatcherFor(url)
    try {
      return await fetch(url, {
        ...{ headers, dispatcher, redirect: 'manual', signal: AbortSignal.timeout(timeoutMs) },
      })
    } catch (error) {
      throw refusalIn(error) ?? error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#listed.destroy(), this.#others.destroy()])
  }

  /** An address that is named as such is dialled without being looked up. */
  #dispatcherFor({ host, hostname }: URL): Dispatcher {
    if (this.#registries.includes(host) || this.#registries.includes(hostname)) return this.#listed
    const literal = hostname.replace(/^\[|\]$/g, '')
    if (isIP(literal) !== 0 && !isPublicAddress(literal)) throw notPublic(hostname)
    return this.#others
  }
}

type LookupAnswer = (error: Error | null, address: string | LookupAddress[], family?: number) => void

function publicLookup(resolve: Resolve) {
  return (name: string, options: LookupOptions, answer: LookupAnswer): void =>
    resolve(name, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return answer(error, [])
      const [first] = addresses
      // One that is not public is one too many: which of them is dialled is not decided here.
      if (first === undefined || !addresses.every(({ address }) => isPublicAddress(address)))
        return answer(notPublic(name), [])
      return options.all ? answer(null, addresses) : answer(null, first.address, first.family)
    })
}

/** The address itself is nobody's business who may not reach it. */
function notPublic(host: string): Failure {
  return new Failure(
    'image-refused',
    `${host} has no public address: the operator of the host may list it among its registries`,
    { host },
  )
}

function refusalIn(error: unknown): Failure | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (cause instanceof Failure) return cause
  return undefined
}
