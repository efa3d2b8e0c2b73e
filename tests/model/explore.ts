import { type Bounds, firstState, type Guards, harmIn, Protocol, type State } from './protocol.ts'

export interface Exploration {
  /** How it comes to harm, in the fewest steps; undefined when no state within the bounds is harmful. */
  readonly harm: { readonly what: string; readonly trace: readonly string[] } | undefined
  readonly states: number
  /** Kinds of steps that occurred: a model that does nothing harms nobody. */
  readonly actions: ReadonlySet<string>
}

/** Looks at every state that can be reached within the bounds, nearest first, until it meets a harm, or the one named. */
export function explore(bounds: Bounds, guards: Guards, sought?: string): Exploration {
  const protocol = new Protocol(bounds, guards)
  const seen = new Set<string>()
  const actions = new Set<string>()
  const reached: { readonly from: number; readonly action: string }[] = []
  let frontier: { readonly state: State; readonly at: number }[] = []
  const reach = (state: State, from: number, action: string): string | undefined => {
    const key = packed(state)
    if (seen.has(key)) return undefined
    seen.add(key)
    reached.push({ from, action })
    frontier.push({ state, at: reached.length - 1 })
    return harmIn(state)
  }
  reach(firstState(bounds), -1, '')
  while (frontier.length > 0) {
    const present = frontier
    frontier = []
    for (const { state, at } of present) {
      for (const [action, next] of protocol.steps(state)) {
        actions.add(action)
        const what = reach(next, at, action)
        if (what === undefined || (sought !== undefined && what !== sought)) continue
        return { harm: { what, trace: traceOf(reached) }, states: seen.size, actions }
      }
    }
  }
  return { harm: undefined, states: seen.size, actions }
}

/** The steps to the state that was reached last. */
function traceOf(reached: readonly { readonly from: number; readonly action: string }[]): string[] {
  const trace: string[] = []
  for (let at = reached.length - 1; at > 0; ) {
    const step = reached[at]
    if (step === undefined) break
    trace.unshift(step.action)
    at = step.from
  }
  return trace
}

const MODES = ['idle', 'running', 'frozen'] as const

/** A state as a few characters of 15 bits: equal ones, and only those, for equal states. */
function packed(state: State): string {
  const parts = [
    state.epoch |
      (state.head << 3) |
      ((state.holder + 1) << 6) |
      (state.leaseLeft << 8) |
      (state.promised << 11),
    state.writes |
      (state.pausesLeft << 3) |
      (Number(state.isHandedOver) << 6) |
      (state.commits.length << 7) |
      ((state.strayAcquire + 2) << 10),
  ]
  for (const { mode, isPaused, epoch, left, volume, base, pending, renewalAge, isRenewed } of state.hosts)
    parts.push(
      MODES.indexOf(mode) | (Number(isPaused) << 2) | (epoch << 3) | (left << 6) | ((renewalAge + 1) << 9),
      volume | (base << 4) | (pending << 7) | (Number(isRenewed) << 10),
    )
  for (const { host, epoch, parent, content, isApplied } of state.commits)
    parts.push(host | (epoch << 1) | (parent << 4) | (content << 7) | (Number(isApplied) << 11))
  return String.fromCharCode(...parts)
}
