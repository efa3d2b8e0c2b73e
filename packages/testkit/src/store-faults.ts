import { seededNumbers } from './seeded-numbers.ts'

export type StoreOperation = 'put' | 'get' | 'head' | 'list' | 'delete'

/** One thing that goes wrong with one operation. */
export type StoreFault =
  /** Rejects with `store-unavailable` without effect, as after a 409, 412 or 503 that a client gave up on. */
  | { readonly kind: 'fail'; readonly status?: 409 | 412 | 503 }
  /** Rejects with `store-full` without effect. */
  | { readonly kind: 'full' }
  /** Takes effect, then rejects with `store-unavailable`. */
  | { readonly kind: 'lose-response' }
  /** Rejects with `store-unavailable`, and takes effect after `operations` more calls (put and delete only). */
  | { readonly kind: 'apply-later'; readonly operations: number }
  /** A get that resolves with only the first `bytes` bytes. */
  | { readonly kind: 'truncate'; readonly bytes: number }
  /** A get that resolves with one bit turned over: bit `bit` modulo the length. */
  | { readonly kind: 'flip-bit'; readonly bit: number }
  /** Takes `ms` longer. */
  | { readonly kind: 'slow'; readonly ms: number }

/** Says what goes wrong with the `n`-th call of `operation`, counted from 1 for each operation. */
export type FaultPlan = (operation: StoreOperation, key: string, n: number) => StoreFault | undefined

/** The probability of each kind, for each operation that can have it. */
export type FaultRates = Readonly<Partial<Record<StoreFault['kind'], number>>>

const KINDS_OF: Readonly<Record<StoreOperation, readonly StoreFault['kind'][]>> = {
  put: ['fail', 'full', 'lose-response', 'apply-later', 'slow'],
  get: ['fail', 'truncate', 'flip-bit', 'slow'],
  head: ['fail', 'slow'],
  list: ['fail', 'slow'],
  delete: ['fail', 'lose-response', 'apply-later', 'slow'],
}

const statuses = [409, 412, 503] as const
const laterOperationsMax = 4
const slowMsMax = 5

/** A plan that draws each fault by its rate; the same seed and the same calls give the same faults. */
export function seededFaults(seed: number, rates: FaultRates): FaultPlan {
  const next = seededNumbers(seed)
  return (operation) => {
    let draw = next()
    const detail = next()
    for (const kind of KINDS_OF[operation]) {
      const rate = rates[kind] ?? 0
      if (draw < rate) return faultOf(kind, detail)
      draw -= rate
    }
    return undefined
  }
}

/** A plan from a list: the `n`-th call of `operation` gets the fault. */
export function scriptedFaults(
  script: readonly { readonly operation: StoreOperation; readonly n: number; readonly fault: StoreFault }[],
): FaultPlan {
  return (operation, _key, n) => script.find((line) => line.operation === operation && line.n === n)?.fault
}

function faultOf(kind: StoreFault['kind'], detail: number): StoreFault {
  const number = Math.floor(detail * 2 ** 20)
  switch (kind) {
    case 'fail':
      return { kind, status: statuses[number % statuses.length] ?? 503 }
    case 'apply-later':
      return { kind, operations: number % (laterOperationsMax + 1) }
    case 'truncate':
      return { kind, bytes: number % 4096 }
    case 'flip-bit':
      return { kind, bit: number }
    case 'slow':
      return { kind, ms: number % (slowMsMax + 1) }
    case 'full':
    case 'lose-response':
      return { kind }
  }
}
