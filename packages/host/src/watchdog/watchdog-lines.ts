import { Failure } from '@holdfast/base/failure'

/** What `holdwatch` says: an answer to a numbered request, or news. `docs/formats/watchdog.md` has the lines. */
export type WatchdogLine =
  | { readonly kind: 'answer'; readonly number: number; readonly failure: string | null }
  | { readonly kind: 'ready' }
  /** An earlier one watched it, and this one does now. */
  | { readonly kind: 'found'; readonly name: string }
  /** Nobody is left in it. */
  | { readonly kind: 'killed'; readonly name: string; readonly lateMs: number }

/** Rejects with `helper-failed`: nothing but `holdwatch` speaks there. */
export function parseWatchdogLine(text: string): WatchdogLine {
  const [first = '', second = '', third = '', ...rest] = text.split(' ')
  const isNumber = /^\d{1,15}$/.test(first)
  if (rest.length > 0) throw strange(text)
  if (text === '0 ready') return { kind: 'ready' }
  if (first === '0' && second === 'found' && third !== '') return { kind: 'found', name: third }
  if (first === 'killed' && /^-?\d{1,15}$/.test(third))
    return { kind: 'killed', name: second, lateMs: Number(third) }
  if (isNumber && second === 'ok' && third === '')
    return { kind: 'answer', number: Number(first), failure: null }
  if (isNumber && second === 'failed') return { kind: 'answer', number: Number(first), failure: third }
  throw strange(text)
}

/** Why a request was refused, as a failure. */
export function refusalOf(reason: string, name: string): Failure {
  switch (reason) {
    case 'passed':
      return new Failure('lease-lost', `the deadline of ${name} has passed: it is being killed`, { name })
    case 'unknown':
      return new Failure('not-found', `the watchdog does not know ${name}`, { name })
    case 'full':
      return new Failure('overloaded', 'the watchdog has no room for one more sandbox', { name })
    case 'malformed':
    case 'not-a-cgroup':
      return new Failure('invalid-argument', `the watchdog takes no such request: ${reason}`, { name })
    default:
      return new Failure('helper-failed', `the watchdog could not: ${reason}`, { name })
  }
}

function strange(text: string): Failure {
  return new Failure('helper-failed', 'the watchdog says what nobody expects', { text: text.slice(0, 200) })
}
