import type { ClientRequest, RequestOptions } from 'node:http'
import type { Clock } from '@holdfast/base/clock'
import { Failure, isFailure } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'
import type { Exposure, Exposures } from './exposures.ts'
import type { GatewayLimits } from './limits.ts'
import type { Upstreams } from './upstream.ts'

export interface ReachDeps {
  readonly exposures: Exposures
  readonly upstreams: Upstreams
  readonly clock: Clock
  readonly limits: GatewayLimits
}

export interface Wanted {
  /** What control said of it, at most a moment ago. */
  readonly exposure: Exposure
  /** As control is asked. */
  readonly name: { readonly workspace: string; readonly port: number }
}

/** A host says so when the workspace is not there any more, or not under this epoch. */
const MOVED: ReadonlySet<FailureCode> = new Set([
  'lease-lost',
  'host-unreachable',
  'sandbox-gone',
  'not-found',
])
const LISTEN_PAUSE_MS = 100

/**
 * A request with its connection to the app. The workspace may have moved since control was asked, so that a host's
 * refusal is worth one more question; a workspace that does not run is woken, and its app then has time to start.
 */
export async function reach(
  deps: ReachDeps,
  wanted: Wanted,
  options: RequestOptions,
): Promise<ClientRequest> {
  const { exposures, upstreams } = deps
  const { hostAddress } = wanted.exposure
  if (hostAddress === null) return await reachWoken(deps, wanted, options)
  try {
    return await upstreams.begin({ ...wanted.exposure, port: wanted.name.port, hostAddress }, options)
  } catch (error) {
    if (!isFailure(error) || !MOVED.has(error.code)) throw told(error)
  }
  exposures.drop(wanted.name)
  try {
    return await upstreams.begin(await exposures.place(wanted.name), options)
  } catch (error) {
    exposures.drop(wanted.name)
    throw told(error)
  }
}

/** Its services start with it: until they listen, `port-unreachable` is no answer yet. */
async function reachWoken(
  { exposures, upstreams, clock, limits }: ReachDeps,
  wanted: Wanted,
  options: RequestOptions,
) {
  const until = clock.monotonicMs() + limits.wakeMs
  for (;;) {
    const place = await exposures.place(wanted.name)
    try {
      return await upstreams.begin(place, options)
    } catch (error) {
      exposures.drop(wanted.name)
      if (!isFailure(error, 'port-unreachable') || clock.monotonicMs() > until) throw told(error)
    }
    await clock.sleep(LISTEN_PAUSE_MS, exposures.closing)
  }
}

/** Why a host could not connect on, as a visitor may hear it. */
function told(error: unknown): unknown {
  if (!isFailure(error)) return new Failure('port-unreachable', 'the app cannot be connected to', {}, error)
  if (MOVED.has(error.code)) return new Failure('host-unreachable', error.message, error.details, error)
  return error.retryable ? error : new Failure('internal', error.message, error.details, error)
}
