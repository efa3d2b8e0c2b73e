import { Failure } from '@holdfast/base/failure'
import type { Isolation, RuntimeKind, SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import type { Runtime } from './runtime.ts'

const STRENGTH: Readonly<Record<Isolation, number>> = {
  none: 0,
  'shared-kernel': 1,
  'sandboxed-kernel': 2,
  vm: 3,
}

/** Those that can show a system which is written to: an overlay needs root, and a kernel that makes it. */
const WRITABLE: ReadonlySet<RuntimeKind> = new Set(['runc'])

export interface RuntimeWish extends Partial<Pick<SandboxSpec, 'systemWrites'>> {
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
      (wish.runtime === undefined || wish.runtime === runtime.kind) &&
      (wantsNoWrites(wish) || WRITABLE.has(runtime.kind)),
  )
  if (found !== undefined) return found
  const offered = runtimes.map((runtime) => `${runtime.kind} (${runtime.isolation})`).join(', ')
  const kind = wish.runtime === undefined ? [] : [`with ${wish.runtime}`]
  const system = wantsNoWrites(wish) ? [] : ['with a system that can be written']
  const wanted = [wish.isolationMin, ...kind, ...system].join(' ')
  throw new Failure('isolation-unavailable', `this host offers ${offered || 'no runtime'}, not ${wanted}`, {
    isolationMin: wish.isolationMin,
    runtime: wish.runtime ?? null,
  })
}

function wantsNoWrites({ systemWrites = 'refused' }: RuntimeWish): boolean {
  return systemWrites === 'refused'
}

/** For those that cannot show one. Throws `invalid-argument`. */
export function refuseWritableSystem(kind: RuntimeKind, spec: SandboxSpec): void {
  if (WRITABLE.has(kind) || wantsNoWrites(spec)) return
  throw new Failure('invalid-argument', `the runtime ${kind} has no system that can be written`)
}
