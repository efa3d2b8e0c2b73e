import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandomness } from '@holdfast/base/randomness'
import { FaultyLeaseClient } from '@holdfast/testkit/faulty-lease-client'
import { rejectsWith } from '@holdfast/testkit/generation-index-fixture'
import { hostId, LEASE_ORG, type OpenedRegistry, workspaceId } from '@holdfast/testkit/lease-registry-fixture'
import { ManualClock } from '@holdfast/testkit/manual-clock'
import { openSqliteLeases } from '@holdfast/testkit/sqlite-leases'
import { LeaseHolder } from './lease-holder.ts'

const W = workspaceId(1)
const [A, B] = [hostId(1), hostId(2)]
const [ttlMs, marginMs] = [15_000, 3_000]

/** One database and the hosts on it; all clocks go together, apart from suspensions of the hosts' machine. */
class Ground implements AsyncDisposable {
  readonly clock = new ManualClock(1_000_000)
  readonly registry: OpenedRegistry['registry']
  /** What the machine of the hosts was suspended for; the database's machine went on. */
  suspendedMs = 0
  readonly #opened: AsyncDisposableStack

  private constructor(registry: OpenedRegistry['registry'], opened: AsyncDisposableStack) {
    this.registry = registry
    this.#opened = opened
  }

  static async open(): Promise<Ground> {
    await using opened = new AsyncDisposableStack()
    const now = () => ({ boot: 'one', ms: ground.bootMs() })
    const { index, registry, close } = await openSqliteLeases({ now })
    opened.defer(close)
    for (const n of [1, 2, 3]) await index.createWorkspace({ id: workspaceId(n), org: LEASE_ORG })
    const ground: Ground = new Ground(registry, opened.move())
    return ground
  }

  bootMs(): number {
    return this.clock.monotonicMs() + this.suspendedMs
  }

  host(host: typeof A) {
    const told: { what: string; workspace: string; value: number | string }[] = []
    const client = new FaultyLeaseClient(this.registry)
    const holder = new LeaseHolder({
      ...{ client, host, clock: this.clock, randomness: systemRandomness },
      bootClock: { bootMs: () => this.bootMs() },
      events: {
        deadline: ({ workspace }, value) => told.push({ what: 'deadline', workspace, value }),
        lost: ({ workspace }, value) => told.push({ what: 'lost', workspace, value }),
      },
    })
    this.#opened.use(holder)
    return { holder, client, told }
  }

  async remainingMs(): Promise<number> {
    return (await this.registry.leaseStates({ workspaces: [W] })).states[0]?.remainingMs ?? Number.NaN
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]()
  }
}

test('all leases of a host are renewed in one call every five seconds, and each workspace hears of its deadline', async () => {
  await using ground = await Ground.open()
  const { holder, client, told } = ground.host(A)
  const start = ground.bootMs()
  for (const n of [1, 2, 3]) await holder.acquire(workspaceId(n))
  assert.equal(holder.held(W).epoch, 1)
  assert.deepEqual(
    told.map(({ value }) => value),
    Array(3).fill(start + ttlMs - marginMs),
  )
  client.calls.length = 0
  await ground.clock.pass(60_000)
  const renewals = client.calls.map(({ name }) => name)
  assert.ok(renewals.length >= 11 && renewals.length <= 12, `${renewals.length} calls`)
  assert.ok(renewals.every((name) => name === 'renewLeases'))
  assert.equal(told.length, 3 + 3 * renewals.length)
  assert.ok(holder.held(W))
})

test('a deadline counts from the instant before the request was sent, however late the answer', async () => {
  await using ground = await Ground.open()
  const { holder, client, told } = ground.host(A)
  await holder.acquire(W)
  client.faults.push('hold')
  await ground.clock.pass(5_250)
  const sentAt = ground.bootMs() - 250
  await ground.clock.pass(3_000)
  client.letGo()
  await ground.clock.pass(0)
  const told2 = told.at(-1)
  assert.ok(told2?.what === 'deadline' && Number(told2.value) <= sentAt + 250 + ttlMs - marginMs)
  assert.ok((await ground.remainingMs()) + ground.bootMs() > Number(told2.value))
})

test('an answer that comes after the deadline revives nothing', async () => {
  await using ground = await Ground.open()
  const { holder, client, told } = ground.host(A)
  await holder.acquire(W)
  client.faults.push('hold')
  await ground.clock.pass(12_500)
  assert.deepEqual(told.at(-1), { what: 'lost', workspace: W, value: 'deadline' })
  assert.throws(() => holder.held(W), { code: 'lease-lost' })
  client.letGo()
  await ground.clock.pass(10_000)
  assert.deepEqual(told.at(-1), { what: 'lost', workspace: W, value: 'deadline' })
  assert.equal(told.length, 2)
})

test('an answer between a deadline and the next look at it revives nothing either', async () => {
  await using ground = await Ground.open()
  const { holder, client, told } = ground.host(A)
  await ground.clock.pass(100)
  await holder.acquire(W)
  client.faults.push('hold')
  await ground.clock.pass(ttlMs - marginMs)
  assert.equal(told.length, 1)
  client.letGo()
  await ground.clock.pass(0)
  assert.deepEqual(told.at(-1), { what: 'lost', workspace: W, value: 'deadline' })
})

test('a renewal that fails is made again at once, and never counts as one that went through', async () => {
  await using ground = await Ground.open()
  const { holder, client, told } = ground.host(A)
  await holder.acquire(W)
  const deadline = holder.deadlineBootMs(W)
  client.faults.push('before', 'after', 'before')
  await ground.clock.pass(5_500)
  assert.equal(holder.deadlineBootMs(W), deadline)
  await ground.clock.pass(1_000)
  assert.ok(Number(holder.deadlineBootMs(W)) > Number(deadline))
  assert.deepEqual(
    told.map(({ what }) => what),
    ['deadline', 'deadline'],
  )
})

test('cut off, a host gives its leases up before the database lets anybody else begin', async () => {
  await using ground = await Ground.open()
  const { holder, client, told } = ground.host(A)
  await holder.acquire(W)
  await ground.clock.pass(20_000)
  client.isCut = true
  while (told.at(-1)?.what !== 'lost') {
    assert.equal(holder.held(W).epoch, 1)
    await ground.clock.pass(50)
  }
  assert.equal(told.at(-1)?.value, 'deadline')
  assert.ok((await ground.remainingMs()) >= marginMs - 300, `${await ground.remainingMs()} ms`)
  const other = ground.host(B)
  await rejectsWith('lease-held', other.holder.acquire(W))
  await ground.clock.pass(3_000)
  assert.equal((await other.holder.acquire(W)).epoch, 2)
})

test('a lease that somebody took is told as taken, and the others go on', async () => {
  await using ground = await Ground.open()
  const { holder, told } = ground.host(A)
  await holder.acquire(W)
  await holder.acquire(workspaceId(2))
  const request = { workspace: W, host: A, ttlMs, nonce: 'another process of this host', afterEpoch: 1 }
  await ground.registry.acquireLease(request)
  await ground.clock.pass(5_500)
  assert.deepEqual(
    told.filter(({ what }) => what === 'lost'),
    [{ what: 'lost', workspace: W, value: 'taken' }],
  )
  assert.ok(holder.held(workspaceId(2)))
})

test('an acquire whose answer is lost gets the same lease, and one that is refused says who has it', async () => {
  await using ground = await Ground.open()
  const { holder, client } = ground.host(A)
  client.faults.push('none', 'after', 'none', 'before')
  const acquired = holder.acquire(W)
  await ground.clock.pass(1_000)
  assert.equal((await acquired).epoch, 1)
  await rejectsWith('lease-held', ground.host(B).holder.acquire(W))
})

test('an acquire that is held up on its way ends no run that began since', async () => {
  await using ground = await Ground.open()
  const { holder: ended, client } = ground.host(A)
  client.faults.push('none', 'hold')
  const late = rejectsWith('lease-lost', ended.acquire(W))
  await ground.clock.pass(100)
  await ended[Symbol.asyncDispose]()
  const { holder, told } = ground.host(A)
  assert.equal((await holder.acquire(W)).epoch, 1)
  client.letGo()
  await late
  await ground.clock.pass(10_000)
  assert.equal((await holder.prove(W)).epoch, 1)
  assert.ok(told.every(({ what }) => what !== 'lost'))
})

test('after a suspension nothing is held until a renewal that was sent since; a long one has passed the deadline', async () => {
  await using ground = await Ground.open()
  const { holder, client, told } = ground.host(A)
  await holder.acquire(W)
  ground.suspendedMs += 2_000
  client.faults.push('before')
  assert.throws(() => holder.held(W), { code: 'index-unavailable' })
  await ground.clock.pass(250)
  assert.throws(() => holder.held(W), { code: 'index-unavailable' })
  await ground.clock.pass(500)
  assert.equal(holder.held(W).epoch, 1)
  ground.suspendedMs += ttlMs
  assert.throws(() => holder.held(W), { code: 'lease-lost' })
  await rejectsWith('lease-lost', holder.prove(W))
  await ground.clock.pass(500)
  assert.equal(told.filter(({ what }) => what === 'lost').length, 1)
})

test('a proof was asked for after the call began', async () => {
  await using ground = await Ground.open()
  const { holder, client } = ground.host(A)
  await holder.acquire(W)
  assert.equal((await holder.prove(W)).epoch, 1)
  client.faults.push('before')
  await rejectsWith('index-unavailable', holder.prove(W))
  await ground.registry.acquireLease({ workspace: W, host: A, ttlMs, nonce: 'another', afterEpoch: 1 })
  assert.equal(holder.held(W).epoch, 1)
  await rejectsWith('lease-lost', holder.prove(W))
})

test('a release insists until it knows the outcome, and the successor adopts the next epoch', async () => {
  await using ground = await Ground.open()
  const source = ground.host(A)
  const target = ground.host(B)
  await source.holder.acquire(W)
  source.client.faults.push('before', 'after', 'after')
  const released = source.holder.release(W, B)
  await ground.clock.pass(1_000)
  const successor = await released
  assert.ok(successor?.host === B && successor.epoch === 2)
  assert.throws(() => source.holder.held(W), { code: 'lease-lost' })
  const { org, workspace, epoch } = successor
  await target.holder.adopt({ org, workspace, epoch })
  await ground.clock.pass(30_000)
  assert.equal(target.holder.held(W).epoch, 2)
  assert.ok(source.told.every(({ what }) => what !== 'lost'))
  await target.holder.release(W, null)
  await rejectsWith('lease-lost', source.holder.adopt({ org, workspace, epoch }))
})

test('a release without an answer ends with the deadline: by then nothing may run here', async () => {
  await using ground = await Ground.open()
  const { holder, client } = ground.host(A)
  await holder.acquire(W)
  client.isCut = true
  const released = holder.release(W, null)
  const refused = rejectsWith('lease-lost', released)
  assert.throws(() => holder.held(W), { code: 'lease-lost' })
  await ground.clock.pass(13_000)
  await refused
  assert.equal(holder.deadlineBootMs(W), undefined)
})

test('a release that is refused for another reason leaves the lease held and renewed', async () => {
  await using ground = await Ground.open()
  const { holder, client } = ground.host(A)
  await holder.acquire(W)
  // @ts-expect-error not an id of a host
  await assert.rejects(holder.release(W, 'nobody'))
  assert.equal(holder.held(W).epoch, 1)
  client.calls.length = 0
  await ground.clock.pass(20_000)
  assert.equal(holder.held(W).epoch, 1)
  assert.ok(client.calls.length > 2)
})
