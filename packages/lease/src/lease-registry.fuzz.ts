import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { hostId, LEASE_ORG, ManualDatabaseClock, workspaceId } from '@holdfast/testkit/lease-registry-fixture'
import { openSqliteLeases } from '@holdfast/testkit/sqlite-leases'
import fc from 'fast-check'
import type { LeaseRegistry } from './lease-registry.ts'

const W = workspaceId(1)

/** What a lease is, in the fewest words: who has it until when; everything else follows. */
class LeaseModel {
  nowMs = 0
  epoch = 0
  holder: { readonly host: number; readonly nonce: number; untilMs: number } | undefined
  released: { readonly by: number; readonly epoch: number; readonly to: number | null } | undefined

  get #running() {
    return this.holder !== undefined && this.holder.untilMs > this.nowMs ? this.holder : undefined
  }

  acquire({ host, nonce, ttlMs }: { host: number; nonce: number; ttlMs: number }, after: number): string {
    const running = this.#running
    if (running && running.host !== host) return 'lease-held'
    if (running?.nonce !== nonce && after !== this.epoch) return 'lease-lost'
    if (running?.nonce === nonce) running.untilMs = Math.max(running.untilMs, this.nowMs + ttlMs)
    else this.#give({ host, nonce, untilMs: this.nowMs + ttlMs }, undefined)
    return `epoch ${this.epoch}`
  }

  renew(host: number, epoch: number, ttlMs: number): string {
    const running = this.#running
    if (running?.host !== host || epoch !== this.epoch) return 'lost'
    running.untilMs = Math.max(running.untilMs, this.nowMs + ttlMs)
    return 'kept'
  }

  release(by: number, epoch: number, to: number | null, ttlMs: number): string {
    const { released } = this
    if (released && released.by === by && released.epoch === epoch && released.to === to) return 'released'
    const isHolder = this.holder?.host === by && epoch === this.epoch
    if (!isHolder || (to !== null && !this.#running)) return 'lease-lost'
    const next = to === null ? undefined : { host: to, nonce: -1, untilMs: this.nowMs + ttlMs }
    this.#give(next, { by, epoch, to })
    return 'released'
  }

  state(): string {
    if (this.holder === undefined) return `epoch ${this.epoch} of nobody`
    return `epoch ${this.epoch} of ${this.holder.host} for ${this.holder.untilMs - this.nowMs}`
  }

  #give(holder: LeaseModel['holder'], released: LeaseModel['released']): void {
    this.epoch += 1
    this.holder = holder
    this.released = released
  }
}

interface Real {
  readonly registry: LeaseRegistry
  readonly clock: ManualDatabaseClock
}

const host = fc.integer({ min: 1, max: 3 })
const ttlMs = fc.constantFrom(500, 1_000, 1_000, 2_000)
/** How far behind the present epoch a request is. */
const lag = fc.constantFrom(0, 0, 0, 1, 2, -1)

class Command implements fc.AsyncCommand<LeaseModel, Real> {
  readonly #name: string
  readonly #expect: (model: LeaseModel) => string
  readonly #ask: (real: Real, epoch: number) => Promise<string>

  constructor(
    name: string,
    expect: (model: LeaseModel) => string,
    ask: (real: Real, epoch: number) => Promise<string>,
  ) {
    this.#name = name
    this.#expect = expect
    this.#ask = ask
  }

  check(): boolean {
    return true
  }

  async run(model: LeaseModel, real: Real): Promise<void> {
    const { epoch } = model
    const expected = this.#expect(model)
    const said = this.#ask(real, epoch).catch((error) =>
      isFailure(error) ? error.code : Promise.reject(error),
    )
    assert.equal(await said, expected)
    const [state] = (await real.registry.leaseStates({ workspaces: [W] })).states
    assert.ok(state)
    const holder = state.host === null ? 'nobody' : `${Number(state.host.slice(-1))} for ${state.remainingMs}`
    assert.equal(`epoch ${state.epoch} of ${holder}`, model.state())
  }

  toString(): string {
    return this.#name
  }
}

const acquire = fc.tuple(host, fc.nat(2), ttlMs, lag).map(
  ([by, nonce, ttl, behind]) =>
    new Command(
      `acquire ${by} ${nonce} ${ttl} -${behind}`,
      (model) => model.acquire({ host: by, nonce, ttlMs: ttl }, Math.max(0, model.epoch - behind)),
      async ({ registry }, epoch) => {
        const afterEpoch = Math.max(0, epoch - behind)
        const request = { workspace: W, host: hostId(by), ttlMs: ttl, nonce: `${nonce}`, afterEpoch }
        return `epoch ${(await registry.acquireLease(request)).epoch}`
      },
    ),
)

const renew = fc.tuple(host, lag, ttlMs).map(
  ([by, behind, ttl]) =>
    new Command(
      `renew ${by} -${behind} ${ttl}`,
      (model) => model.renew(by, Math.max(0, model.epoch - behind), ttl),
      async ({ registry }, epoch) => {
        const leases = [{ workspace: W, epoch: Math.max(0, epoch - behind) }]
        const { lost } = await registry.renewLeases({ host: hostId(by), ttlMs: ttl, leases })
        return lost.length === 0 ? 'kept' : 'lost'
      },
    ),
)

const release = fc.tuple(host, lag, fc.option(host), ttlMs).map(
  ([by, behind, to, ttl]) =>
    new Command(
      `release ${by} -${behind} to ${to}`,
      (model) => model.release(by, Math.max(0, model.epoch - behind), to, ttl),
      async ({ registry }, present) => {
        const epoch = Math.max(0, present - behind)
        const successor = to === null ? null : { host: hostId(to), ttlMs: ttl }
        await registry.releaseLease({ workspace: W, host: hostId(by), epoch, successor })
        return 'released'
      },
    ),
)

const pass = fc.constantFrom(100, 499, 500, 501, 1_000).map(
  (ms) =>
    new Command(
      `pass ${ms}`,
      (model) => {
        model.nowMs += ms
        return 'later'
      },
      async ({ clock }) => {
        clock.pass(ms)
        return 'later'
      },
    ),
)

test('through any calls the registry says what the smallest model of a lease says', async () => {
  const commands = fc.commands([acquire, acquire, renew, renew, release, release, pass], {
    maxCommands: 60,
    size: 'max',
  })
  await fc.assert(
    fc.asyncProperty(commands, async (all) => {
      const clock = new ManualDatabaseClock()
      const { registry, index, close } = await openSqliteLeases(clock)
      try {
        await index.createWorkspace({ id: W, org: LEASE_ORG })
        await fc.asyncModelRun(() => ({ model: new LeaseModel(), real: { registry, clock } }), all)
      } finally {
        await close()
      }
    }),
    { numRuns: process.env.HOLDFAST_LONG ? 2_000 : 100 },
  )
})
