import { Failure } from '@holdfast/base/failure'
import { Isolation, type SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import type { Runtime } from '@holdfast/sandbox/runtime'

/**
 * The first runtime that isolates as much as is asked for, or the one that is named if it does. Rejects with
 * `isolation-unavailable`: less than what is asked for is never given.
 */
export function chooseRuntime(runtimes: readonly Runtime[], spec: SandboxSpec): Runtime {
  const strength = (isolation: Isolation) => Isolation.options.indexOf(isolation)
  const found = runtimes.find(
    ({ kind, isolation }) =>
      strength(isolation) >= strength(spec.isolationMin) &&
      (spec.runtime === undefined || spec.runtime === kind),
  )
  if (found) return found
  const here = runtimes.map(({ kind, isolation }) => `${kind} (${isolation})`).join(', ')
  const wanted = spec.runtime ?? spec.isolationMin
  throw new Failure('isolation-unavailable', `${wanted} is asked for; this host has ${here || 'none'}`, {
    isolationMin: spec.isolationMin,
    runtime: spec.runtime ?? null,
  })
}
