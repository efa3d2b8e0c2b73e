import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import type { GenerationIndex } from '@holdfast/generations/index/generation-index'
import type { LeaseRegistry } from '@holdfast/lease/lease-registry'
import type { LeaseState } from '@holdfast/protocol/lease-calls'
import { appendChain, commitOn, rejectsWith } from './generation-index-fixture.ts'
import {
  hostId,
  LEASE_ORG,
  ManualDatabaseClock,
  type OpenRegistry,
  workspaceId,
} from './lease-registry-fixture.ts'

const W = workspaceId(1)
const [A, B] = [hostId(1), hostId(2)]
const ttlMs = 15_000
const NEW = { workspace: W, ttlMs, nonce: '', afterEpoch: 0 }

interface Ground {
  readonly registry: LeaseRegistry
  readonly index: GenerationIndex
  readonly clock: ManualDatabaseClock
  acquire(host: typeof A, nonce?: string): ReturnType<LeaseRegistry['acquireLease']>
  state(): Promise<LeaseState | undefined>
}

type Scenario = (ground: Ground) => Promise<void>

/** Registers one test for each promise of the port `LeaseRegistry`; every adapter runs them all. */
export function leaseRegistryConformance(name: string, open: OpenRegistry): void {
  const on = (scenario: Scenario) => async () => {
    const clock = new ManualDatabaseClock()
    const { registry, index, close } = await open(clock)
    let nonces = 0
    const acquire: Ground['acquire'] = async (host, nonce = `nonce ${nonces++}`) => {
      const afterEpoch = (await state())?.epoch ?? 0
      return await registry.acquireLease({ workspace: W, host, ttlMs, nonce, afterEpoch })
    }
    const state = async () => (await registry.leaseStates({ workspaces: [W] })).states[0]
    try {
      await index.createWorkspace({ id: W, org: LEASE_ORG })
      await scenario({ registry, index, clock, acquire, state })
    } finally {
      await close()
    }
  }
  describe(`${name} keeps the promises of a lease registry`, () => {
    acquirePromises(on)
    renewPromises(on)
    releasePromises(on)
    handOverPromises(on)
    epochPromises(on)
    clockPromises(on)
    lifetimePromises(on)
  })
}

type On = (scenario: Scenario) => () => Promise<void>

function acquirePromises(on: On): void {
  test(
    'an acquire takes the next epoch of the history',
    on(async ({ acquire, index, state }) => {
      assert.deepEqual(await acquire(A), { org: LEASE_ORG, workspace: W, host: A, epoch: 1, ttlMs })
      assert.equal((await index.workspace(W)).epoch, 1)
      assert.deepEqual(await state(), { workspace: W, epoch: 1, host: A, remainingMs: ttlMs, head: null })
    }),
  )

  test(
    'while a lease runs another host is told who has it and how long; then it gets the next epoch',
    on(async ({ acquire, clock }) => {
      await acquire(A)
      clock.pass(ttlMs - 1)
      await assert.rejects(acquire(B), (error) => {
        assert.ok(isFailure(error, 'lease-held'))
        assert.deepEqual(error.details, { host: A, epoch: 1, remainingMs: 1 })
        return true
      })
      clock.pass(1)
      assert.equal((await acquire(B)).epoch, 2)
    }),
  )

  test(
    'the holder itself gets a new epoch, and the same lease again for the same nonce while it runs',
    on(async ({ acquire, clock, state }) => {
      assert.equal((await acquire(A, 'one')).epoch, 1)
      clock.pass(1_000)
      assert.equal((await acquire(A, 'one')).epoch, 1)
      assert.equal((await state())?.remainingMs, ttlMs)
      assert.equal((await acquire(A, 'two')).epoch, 2)
      clock.pass(ttlMs)
      assert.equal((await acquire(A, 'two')).epoch, 3)
    }),
  )

  test(
    'an acquire that comes late ends no lease that was given since, and takes none after its end',
    on(async ({ acquire, registry, clock, state }) => {
      const late = { ...NEW, host: A, nonce: 'late' }
      assert.equal((await acquire(A)).epoch, 1)
      await rejectsWith('lease-lost', registry.acquireLease(late))
      const { epoch } = await acquire(A)
      await rejectsWith('lease-lost', registry.acquireLease({ ...late, afterEpoch: 1 }))
      assert.deepEqual([(await state())?.epoch, (await state())?.host], [epoch, A])
      await registry.releaseLease({ workspace: W, host: A, epoch, successor: null })
      await rejectsWith('lease-lost', registry.acquireLease({ ...late, afterEpoch: epoch }))
      assert.equal((await state())?.host, null)
      await acquire(B)
      await rejectsWith('lease-held', registry.acquireLease(late))
      clock.pass(ttlMs)
      await rejectsWith('lease-lost', registry.acquireLease(late))
    }),
  )

  test(
    'an acquire that is repeated late gets the lease that it was given, while that runs',
    on(async ({ registry, clock, state }) => {
      const asked = { ...NEW, host: A, nonce: 'one' }
      const lease = await registry.acquireLease(asked)
      assert.deepEqual(await registry.acquireLease(asked), lease)
      clock.pass(ttlMs)
      await rejectsWith('lease-lost', registry.acquireLease(asked))
      assert.equal((await state())?.epoch, lease.epoch)
    }),
  )

  test(
    'of hosts that ask at once exactly one gets the lease',
    on(async ({ registry, state }) => {
      const hosts = [1, 2, 3, 4, 5, 6, 7, 8].map(hostId)
      const asked = hosts.map((host) => registry.acquireLease({ ...NEW, host, nonce: host }))
      const given = (await Promise.allSettled(asked)).filter((result) => {
        if (result.status === 'rejected') assert.ok(isFailure(result.reason, 'lease-held'))
        return result.status === 'fulfilled'
      })
      assert.equal(given.length, 1)
      assert.equal((await state())?.epoch, 1)
    }),
  )

  test(
    'a workspace without a history has no lease',
    on(async ({ registry }) => {
      const workspace = workspaceId(9)
      const epoch = 1
      await rejectsWith('not-found', registry.acquireLease({ ...NEW, workspace, host: A }))
      await rejectsWith('not-found', registry.releaseLease({ workspace, host: A, epoch, successor: null }))
      const leases = [{ workspace, epoch }]
      assert.deepEqual(await registry.renewLeases({ host: A, ttlMs, leases }), { lost: [workspace] })
      assert.deepEqual(await registry.leaseStates({ workspaces: [workspace] }), { states: [] })
    }),
  )
}

function renewPromises(on: On): void {
  test(
    'a renewal keeps what is the host’s, names the others as lost, and touches no other lease',
    on(async ({ registry, index, clock }) => {
      const workspaces = [1, 2, 3, 4].map(workspaceId)
      for (const id of workspaces.slice(1)) await index.createWorkspace({ id, org: LEASE_ORG })
      for (const [n, workspace] of workspaces.entries())
        await registry.acquireLease({ ...NEW, workspace, host: n === 3 ? B : A })
      clock.pass(5_000)
      const leases = workspaces.map((workspace, n) => ({ workspace, epoch: n === 1 ? 7 : 1 }))
      const { lost } = await registry.renewLeases({ host: A, ttlMs, leases })
      assert.deepEqual(lost, [workspaces[1], workspaces[3]])
      const { states } = await registry.leaseStates({ workspaces })
      assert.deepEqual(
        states.map((state) => state.remainingMs),
        [ttlMs, 10_000, ttlMs, 10_000],
      )
      assert.deepEqual(await registry.renewLeases({ host: A, ttlMs, leases: [] }), { lost: [] })
    }),
  )

  test(
    'a lease that has run out is lost, though nobody took it',
    on(async ({ acquire, registry, clock, state }) => {
      const { epoch } = await acquire(A)
      clock.pass(ttlMs)
      const leases = [{ workspace: W, epoch }]
      assert.deepEqual(await registry.renewLeases({ host: A, ttlMs, leases }), { lost: [W] })
      assert.deepEqual(await state(), { workspace: W, epoch, host: A, remainingMs: 0, head: null })
    }),
  )

  test(
    'a renewal never shortens a lease: its holder counts on what it was told',
    on(async ({ acquire, registry, state }) => {
      const { epoch } = await acquire(A)
      const leases = [{ workspace: W, epoch }]
      assert.deepEqual(await registry.renewLeases({ host: A, ttlMs: 1_000, leases }), { lost: [] })
      assert.equal((await state())?.remainingMs, ttlMs)
    }),
  )
}

function releasePromises(on: On): void {
  test(
    'a released workspace is free at once, and nothing is committed under its epoch any more',
    on(async ({ acquire, registry, index, state }) => {
      const lease = await acquire(A)
      const [first] = await appendChain(index, lease, { count: 1 })
      const release = { workspace: W, host: A, epoch: lease.epoch, successor: null }
      assert.deepEqual(await registry.releaseLease(release), { successor: null })
      const after = await state()
      assert.deepEqual([after?.host, after?.head], [null, first?.id])
      await rejectsWith('lease-lost', index.append(lease, commitOn(lease, first ?? null)))
      const leases = [{ workspace: W, epoch: lease.epoch }]
      assert.deepEqual(await registry.renewLeases({ host: A, ttlMs, leases }), { lost: [W] })
      assert.deepEqual(await registry.releaseLease(release), { successor: null })
      assert.deepEqual(await state(), after)
      const next = await acquire(B)
      assert.ok(next.epoch > lease.epoch)
      await rejectsWith('lease-lost', registry.releaseLease(release))
      assert.equal((await state())?.host, B)
    }),
  )

  test(
    'nobody releases the lease of another host or epoch, and one that ran out ends without an error',
    on(async ({ acquire, registry, clock, state }) => {
      const { epoch } = await acquire(A)
      for (const [host, ofEpoch] of [
        [B, epoch],
        [A, epoch - 1],
        [A, epoch + 1],
      ] as const)
        await rejectsWith(
          'lease-lost',
          registry.releaseLease({ workspace: W, host, epoch: ofEpoch, successor: null }),
        )
      assert.equal((await state())?.remainingMs, ttlMs)
      clock.pass(ttlMs)
      await registry.releaseLease({ workspace: W, host: A, epoch, successor: null })
      assert.equal((await state())?.host, null)
    }),
  )
}

function handOverPromises(on: On): void {
  test(
    'a release that names a successor makes it the holder under the next epoch, in one step',
    on(async ({ acquire, registry, index, clock, state }) => {
      const lease = await acquire(A)
      const [first] = await appendChain(index, lease, { count: 1 })
      const release = { workspace: W, host: A, epoch: lease.epoch, successor: { host: B, ttlMs } }
      const { successor } = await registry.releaseLease(release)
      assert.deepEqual(successor, { org: LEASE_ORG, workspace: W, host: B, epoch: lease.epoch + 1, ttlMs })
      await rejectsWith('lease-lost', index.append(lease, commitOn(lease, first ?? null)))
      await appendChain(index, successor ?? lease, { count: 1, after: first ?? null })
      clock.pass(4_000)
      assert.deepEqual(await registry.releaseLease(release), { successor })
      assert.equal((await state())?.remainingMs, ttlMs - 4_000)
      await rejectsWith('lease-held', acquire(A))
      const leases = [{ workspace: W, epoch: lease.epoch + 1 }]
      assert.deepEqual(await registry.renewLeases({ host: B, ttlMs, leases }), { lost: [] })
      assert.deepEqual(await registry.releaseLease(release), { successor })
    }),
  )

  test(
    'a lease that ran out is handed to nobody, and a repeated release changes its mind about nothing',
    on(async ({ acquire, registry, clock, state }) => {
      const { epoch } = await acquire(A)
      clock.pass(ttlMs)
      const release = { workspace: W, host: A, epoch, successor: { host: B, ttlMs } }
      await rejectsWith('lease-lost', registry.releaseLease(release))
      const again = await acquire(A)
      await registry.releaseLease({ ...release, epoch: again.epoch })
      for (const successor of [null, { host: hostId(3), ttlMs }])
        await rejectsWith('lease-lost', registry.releaseLease({ ...release, epoch: again.epoch, successor }))
      assert.equal((await state())?.host, B)
    }),
  )
}

function epochPromises(on: On): void {
  test(
    'only the newest lease commits, however the leases before it ended',
    on(async ({ acquire, index, clock }) => {
      const first = await acquire(A)
      const [commit] = await appendChain(index, first, { count: 1 })
      clock.pass(ttlMs)
      const second = await acquire(B)
      await rejectsWith('lease-lost', index.append(first, commitOn(first, commit ?? null)))
      clock.pass(ttlMs)
      const third = await acquire(A)
      await rejectsWith('lease-lost', index.append(second, commitOn(second, commit ?? null)))
      await rejectsWith('lease-lost', index.append(first, commitOn(first, commit ?? null)))
      await appendChain(index, third, { count: 1, after: commit ?? null })
    }),
  )

  test(
    'an epoch that was taken past the registry ends the lease before it',
    on(async ({ acquire, registry, index, state }) => {
      const { epoch } = await acquire(A)
      const taken = await index.acquire(W)
      assert.equal(taken.epoch, epoch + 1)
      const leases = [{ workspace: W, epoch }]
      assert.deepEqual(await registry.renewLeases({ host: A, ttlMs, leases }), { lost: [W] })
      assert.deepEqual(await state(), {
        workspace: W,
        epoch: taken.epoch,
        host: null,
        remainingMs: 0,
        head: null,
      })
    }),
  )
}

function clockPromises(on: On): void {
  test(
    'when the database’s machine starts again a lease lasts no longer than its TTL from then',
    on(async ({ acquire, registry, clock, state }) => {
      const { epoch } = await acquire(A)
      clock.reboot(2_000)
      assert.equal((await state())?.remainingMs, ttlMs - 2_000)
      await rejectsWith('lease-held', acquire(B))
      const leases = [{ workspace: W, epoch }]
      assert.deepEqual(await registry.renewLeases({ host: A, ttlMs, leases }), { lost: [] })
      assert.equal((await state())?.remainingMs, ttlMs)
      clock.reboot(ttlMs)
      assert.equal((await acquire(B)).epoch, epoch + 1)
    }),
  )
}

function lifetimePromises(on: On): void {
  test(
    'after its end a handle rejects every call as unavailable, and ends twice without harm',
    on(async ({ registry, acquire }) => {
      await registry[Symbol.asyncDispose]()
      await registry[Symbol.asyncDispose]()
      const calls = [
        acquire(A),
        registry.renewLeases({ host: A, ttlMs, leases: [{ workspace: W, epoch: 1 }] }),
        registry.releaseLease({ workspace: W, host: A, epoch: 1, successor: null }),
        registry.leaseStates({ workspaces: [W] }),
      ]
      for (const call of calls) await rejectsWith('index-unavailable', call)
    }),
  )
}
