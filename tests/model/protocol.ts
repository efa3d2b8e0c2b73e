/**
 * Lease, commit and handoff of one workspace between two hosts, small enough to look at every state. Time is relative:
 * each lease and deadline is what is left of it, so that no clock needs a bound. The network keeps every commit that
 * was ever sent and may deliver it at any time, again, or never; and so it does with an acquire whose sender is gone.
 */
export interface Bounds {
  readonly ttl: number
  readonly epochs: number
  readonly commits: number
  readonly writes: number
  readonly pauses: number
  /** Whether an acquire of A may come late, whose sender is gone. */
  readonly hasStray: boolean
}

/** Each is a reason why the protocol is right; a test takes one away and expects the harm. */
export interface Guards {
  /** What a commit must show to be applied: the present epoch, only the holder's name, or nothing. */
  readonly fence: 'epoch' | 'name' | 'none'
  /** A commit follows the head that it was made on. */
  readonly parent: boolean
  /** What runs is killed when its deadline passes. */
  readonly deadlineKill: boolean
  /** What was suspended looks at its deadline before anything in it runs. */
  readonly checkOnResume: boolean
  /** A deadline counts from the sending of the request, not from its answer. */
  readonly countFromSending: boolean
  /** The lease is handed over after the last commit was acknowledged. */
  readonly releaseAfterAck: boolean
  /** Silence is no success. */
  readonly waitForAnswer: boolean
  /** An acquire takes the epoch after the one that it has seen, and no other. */
  readonly acquireAfterSeen: boolean
}

export const ALL_GUARDS: Guards = {
  fence: 'epoch',
  parent: true,
  deadlineKill: true,
  checkOnResume: true,
  countFromSending: true,
  releaseAfterAck: true,
  waitForAnswer: true,
  acquireAfterSeen: true,
}

/** A commit as it was sent. Commit n is generation n + 1; generation 0 is the empty workspace. */
interface Commit {
  readonly host: number
  readonly epoch: number
  readonly parent: number
  /** The writes that it holds, a bit each. */
  readonly content: number
  readonly isApplied: boolean
}

interface Host {
  readonly mode: 'idle' | 'running' | 'frozen'
  readonly isPaused: boolean
  readonly epoch: number
  /** Until its deadline. */
  readonly left: number
  readonly volume: number
  /** The generation that its volume grew from. */
  readonly base: number
  /** The generation that waits for its answer; 0: none. */
  readonly pending: number
  /** Time since a renewal was sent; -1: none is under way. */
  readonly renewalAge: number
  readonly isRenewed: boolean
}

export interface State {
  readonly epoch: number
  /** -1: nobody. */
  readonly holder: number
  readonly leaseLeft: number
  /** The holder has not begun yet: it was named by the one before. */
  readonly isHandedOver: boolean
  readonly head: number
  readonly commits: readonly Commit[]
  readonly hosts: readonly [Host, Host]
  /** Writes that somebody was told are durable. */
  readonly promised: number
  readonly writes: number
  readonly pausesLeft: number
  /** The epoch that an acquire of A has seen whose sender is gone; -1: none was sent, -2: it arrived. */
  readonly strayAcquire: number
}

const IDLE: Host = {
  mode: 'idle',
  isPaused: false,
  epoch: 0,
  left: 0,
  volume: 0,
  base: 0,
  pending: 0,
  renewalAge: -1,
  isRenewed: false,
}

export function firstState(bounds: Bounds): State {
  return {
    ...{ epoch: 0, holder: -1, leaseLeft: 0, isHandedOver: false, head: 0, commits: [], hosts: [IDLE, IDLE] },
    ...{ promised: 0, writes: 0, pausesLeft: bounds.pauses, strayAcquire: bounds.hasStray ? -1 : -2 },
  }
}

function contentOf(state: State, generation: number): number {
  return state.commits[generation - 1]?.content ?? 0
}

/** What must never be; undefined while all is well. */
export function harmIn(state: State): string | undefined {
  if (state.promised & ~contentOf(state, state.head)) return 'a durable write is lost'
  if (state.hosts.every(({ mode, isPaused }) => mode === 'running' && !isPaused)) return 'two hosts run'
  const holder = state.hosts.find(({ mode, epoch }) => mode !== 'idle' && epoch === state.epoch)
  if (holder && state.head !== holder.base && state.head !== holder.pending)
    return 'the head moved under its holder'
  const [a] = state.hosts
  const isFenced = a.mode !== 'idle' && a.epoch < state.epoch && state.holder === 0 && !state.isHandedOver
  return isFenced ? 'a run is fenced by an acquire of the past' : undefined
}

export type Step = readonly [action: string, next: State]

/** Every state that may come next. */
export class Protocol {
  readonly #bounds: Bounds
  readonly #guards: Guards

  constructor(bounds: Bounds, guards: Guards) {
    this.#bounds = bounds
    this.#guards = guards
  }

  *steps(state: State): Generator<Step> {
    yield ['time passes', this.#tick(state)]
    yield* this.#deliveries(state)
    yield* this.#strays(state)
    for (const at of [0, 1] as const) {
      const host = state.hosts[at]
      if (host.isPaused) yield [`${name(at)} resumes`, this.#resume(state, at)]
      else if (host.mode === 'idle') yield* this.#beginnings(state, at)
      else {
        yield* this.#ofHolder(state, at)
        yield* this.#endings(state, at)
      }
    }
  }

  #tick(state: State): State {
    const age = (host: Host): Host => {
      const left = Math.max(0, host.left - 1)
      const isOver = left === 0 && host.mode !== 'idle' && !host.isPaused && this.#guards.deadlineKill
      if (isOver || host.mode === 'idle') return { ...IDLE, isPaused: host.isPaused }
      const isForgotten = host.renewalAge < 0 || host.renewalAge + 1 >= this.#bounds.ttl
      return {
        ...host,
        left,
        renewalAge: isForgotten ? -1 : host.renewalAge + 1,
        isRenewed: !isForgotten && host.isRenewed,
      }
    }
    const [a, b] = state.hosts
    return { ...state, leaseLeft: Math.max(0, state.leaseLeft - 1), hosts: [age(a), age(b)] }
  }

  *#deliveries(state: State): Generator<Step> {
    for (const [at, commit] of state.commits.entries()) {
      if (!this.#isApplicable(state, at + 1, commit)) continue
      const commits = state.commits.map((one, n) => (n === at ? { ...one, isApplied: true } : one))
      yield [`commit ${at + 1} of ${name(commit.host)} arrives`, { ...state, commits, head: at + 1 }]
    }
    for (const at of [0, 1] as const) {
      const host = state.hosts[at]
      const isHis = state.holder === at && state.epoch === host.epoch && state.leaseLeft > 0
      if (host.renewalAge < 0 || host.isRenewed || !isHis) continue
      const renewed = changed(state, at, { isRenewed: true })
      yield [`a renewal of ${name(at)} arrives`, { ...renewed, leaseLeft: this.#bounds.ttl }]
    }
  }

  /** Nobody is there to hear its answer. */
  *#strays(state: State): Generator<Step> {
    const { strayAcquire, epoch, holder, leaseLeft } = state
    // The hosts are alike: let it be the first one's.
    if (strayAcquire === -1 && state.hosts[0].mode === 'idle' && !state.hosts[0].isPaused)
      yield ['A is killed while it acquires', { ...state, strayAcquire: epoch }]
    if (strayAcquire < 0) return
    const isFree = leaseLeft === 0 || holder === 0
    const isOfNow = strayAcquire === epoch || !this.#guards.acquireAfterSeen
    const heard = { ...state, strayAcquire: -2 }
    const { ttl, epochs } = this.#bounds
    const given = { epoch: epoch + 1, holder: 0, leaseLeft: ttl, isHandedOver: false }
    if (isFree && isOfNow && epoch < epochs) yield ['its acquire arrives', { ...heard, ...given }]
    else if (!isOfNow) yield ['its acquire comes too late', heard]
  }

  #isApplicable(state: State, generation: number, commit: Commit): boolean {
    const { fence, parent } = this.#guards
    if (fence === 'epoch' && commit.epoch !== state.epoch) return false
    if (fence === 'name' && commit.host !== state.holder) return false
    return parent ? commit.parent === state.head && !commit.isApplied : generation !== state.head
  }

  *#beginnings(state: State, at: 0 | 1): Generator<Step> {
    const { ttl, epochs } = this.#bounds
    const begun = (epoch: number): State => {
      const volume = contentOf(state, state.head)
      const host = { mode: 'running', epoch, left: ttl, volume, base: state.head } as const
      const next = changed(state, at, host)
      return { ...next, epoch, holder: at, leaseLeft: ttl, isHandedOver: false }
    }
    if (state.isHandedOver && state.holder === at && state.leaseLeft > 0)
      yield [`${name(at)} takes over`, begun(state.epoch)]
    const isFree = state.leaseLeft === 0 || state.holder === at
    // The hosts are alike until one of them begins: let that be the first.
    if (isFree && state.epoch < epochs && (at === 0 || state.epoch > 0))
      yield [`${name(at)} acquires`, begun(state.epoch + 1)]
  }

  *#ofHolder(state: State, at: 0 | 1): Generator<Step> {
    const { commits, writes } = this.#bounds
    const host = state.hosts[at]
    if (host.mode === 'running' && state.writes < writes) {
      const written = changed(state, at, { volume: host.volume | (1 << state.writes) })
      yield [`${name(at)} writes`, { ...written, writes: state.writes + 1 }]
    }
    if (host.pending === 0 && state.commits.length < commits) {
      const commit = {
        host: at,
        epoch: host.epoch,
        parent: host.base,
        content: host.volume,
        isApplied: false,
      }
      const sent = changed(state, at, { pending: state.commits.length + 1 })
      yield [`${name(at)} commits`, { ...sent, commits: [...state.commits, commit] }]
    }
    const isAnswered = state.commits[host.pending - 1]?.isApplied ?? false
    if (host.pending !== 0 && (isAnswered || !this.#guards.waitForAnswer)) {
      const acknowledged = changed(state, at, { base: host.pending, pending: 0 })
      const promised = state.promised | contentOf(state, host.pending)
      yield [`${name(at)} hears that its commit is durable`, { ...acknowledged, promised }]
    }
    yield* this.#renewals(state, at)
  }

  *#renewals(state: State, at: 0 | 1): Generator<Step> {
    const { ttl } = this.#bounds
    const host = state.hosts[at]
    if (host.renewalAge < 0) yield [`${name(at)} renews`, changed(state, at, { renewalAge: 0 })]
    if (!host.isRenewed) return
    const left = this.#guards.countFromSending ? Math.max(host.left, ttl - host.renewalAge) : ttl
    const heard = { left, renewalAge: -1, isRenewed: false }
    yield [`${name(at)} hears that its lease is renewed`, changed(state, at, heard)]
  }

  *#endings(state: State, at: 0 | 1): Generator<Step> {
    const host = state.hosts[at]
    yield [`${name(at)} is killed`, changed(state, at, IDLE)]
    if (state.pausesLeft > 0) {
      const paused = changed(state, at, { isPaused: true })
      yield [`${name(at)} is suspended`, { ...paused, pausesLeft: state.pausesLeft - 1 }]
    }
    if (host.mode === 'running') yield [`${name(at)} freezes`, changed(state, at, { mode: 'frozen' })]
    if (host.mode !== 'frozen') return
    yield [`${name(at)} thaws`, changed(state, at, { mode: 'running' })]
    const isSaved = host.pending === 0 && contentOf(state, host.base) === host.volume
    const maySay = this.#guards.releaseAfterAck ? isSaved : host.pending !== 0
    const isHis = state.holder === at && state.epoch === host.epoch && state.leaseLeft > 0
    if (!maySay || !isHis || state.epoch >= this.#bounds.epochs) return
    const given = { epoch: state.epoch + 1, holder: 1 - at, leaseLeft: this.#bounds.ttl, isHandedOver: true }
    const promised = state.promised | host.volume
    yield [`${name(at)} hands over`, { ...changed(state, at, IDLE), ...given, promised }]
  }

  #resume(state: State, at: 0 | 1): State {
    const host = state.hosts[at]
    const isOver = host.mode === 'idle' || (host.left === 0 && this.#guards.checkOnResume)
    return changed(state, at, isOver ? IDLE : { isPaused: false })
  }
}

function name(at: number): string {
  return at === 0 ? 'A' : 'B'
}

function changed(state: State, at: 0 | 1, changes: Partial<Host>): State {
  const [a, b] = state.hosts
  return { ...state, hosts: at === 0 ? [{ ...a, ...changes }, b] : [a, { ...b, ...changes }] }
}
