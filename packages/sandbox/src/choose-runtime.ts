import { Failure } from '@holdfast/base/failure'
import type { Isolation, RuntimeKind } from '@holdfast/protocol/sandbox-spec'
import type { Runtime } from './runtime.ts'

const STRENGTH: Readonly<Record<Isolation, number>> = {
  none: 0,
  'shared-kernel': 1,
  'sandboxed-kernel': 2,
  vm: 3,
}

export interface RuntimeWish {
  readonly isolationMin: Isolation
  readonly runtime?: RuntimeKind | undefined
}

/**
 * The first of the runtimes, in the order in which the host prefers them, that isolates enough; never one that gives
 * less. Throws `isolation-unavailable`. Pure.
 */
export function chooseRuntime<R extends Pick<Runtime, 'kind' | 'isolation'>>(
  runtimes: readonly R[],
  wish: RuntimeWish,
): R {
  const found = runtimes.find(
    (runtime) =>
      STRENGTH[runtime.isolation] >= STRENGTH[wish.isolationMin] &&
      (wish.runtime === undefined || wish.runtime === runtime.kind),
  )
  if (found !== undefined) return found
  const offered = runtimes.map((runtime) => `${runtime.kind} (${runtime.isolation})`).join(', ')
  const wanted = wish.runtime === undefined ? wish.isolationMin : `${wish.isolationMin} with ${wish.runtime}`
  throw new Failure('isolation-unavailable', `this host offers ${offered || 'no runtime'}, not ${wanted}`, {
    isolationMin: wish.isolationMin,
    runtime: wish.runtime ?? null,
  })
}
