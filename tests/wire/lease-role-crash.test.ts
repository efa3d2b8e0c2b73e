import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { systemBootClock } from '@holdfast/base/boot-clock'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { systemRandomness } from '@holdfast/base/randomness'
import { LeaseHolder } from '@holdfast/host/lease-holder'
import { RpcGenerationIndex } from '@holdfast/host/rpc-generation-index'
import { HISTORY_CALLS } from '@holdfast/protocol/history-calls'
import { LEASE_CALLS } from '@holdfast/protocol/lease-calls'
import { RpcClient } from '@holdfast/rpc/rpc-client'
import { commitOn, type Parent, rejectsWith } from '@holdfast/testkit/generation-index-fixture'
import { hostId, LEASE_ORG, workspaceId } from '@holdfast/testkit/lease-registry-fixture'

const CHILD = fileURLToPath(import.meta.resolve('./lease-role-child.ts'))
const clusterKey = 'k'.repeat(32)
const W = workspaceId(1)
/** Long enough for a process to start on a busy machine. */
const PATIENT = { ttlMs: 20_000, renewMs: 500, marginMs: 500 }
const HASTY = { ttlMs: 3_000, renewMs: 500, marginMs: 500 }

/** A lease role in a process of its own, on the files of one folder, and hosts that call it. */
class Ground implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'holdfast-wire-'))
  readonly #opened = new AsyncDisposableStack()
  readonly #address = `unix:${join(this.#directory, 'lease')}`
  #role: ChildProcess | undefined

  async startRole(): Promise<void> {
    const args = [CHILD, join(this.#directory, 'history.db'), this.#address, clusterKey]
    this.#role = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    assert.ok(this.#role.stdout)
    await once(this.#role.stdout, 'data')
  }

  signal(signal: NodeJS.Signals): void {
    this.#role?.kill(signal)
  }

  async killRole(): Promise<void> {
    const role = this.#role
    this.#role = undefined
    if (role === undefined) return
    const gone = once(role, 'exit')
    role.kill('SIGKILL')
    await gone
  }

  host(n: number, timing: typeof PATIENT) {
    const lost: string[] = []
    const reached = { address: this.#address, clusterKey, unreachable: 'index-unavailable' } as const
    const client = this.#opened.use(new RpcClient(LEASE_CALLS, reached))
    const history = this.#opened.use(new RpcClient(HISTORY_CALLS, reached))
    const holder = new LeaseHolder({
      ...{ client, host: hostId(n), clock: systemClock, bootClock: systemBootClock },
      ...{ randomness: systemRandomness, ...timing },
      events: { deadline: () => undefined, lost: (_lease, reason) => lost.push(reason) },
    })
    this.#opened.use(holder)
    const acquire = () => holder.acquire(W)
    return { holder, lost, index: new RpcGenerationIndex({ client: history, acquire }) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]()
    await this.killRole()
    rmSync(this.#directory, { recursive: true })
  }
}

/** Asks again, unchanged, until there is an answer. */
async function insist(call: () => Promise<void>): Promise<void> {
  for (let unanswered = 0; ; unanswered++) {
    try {
      return await call()
    } catch (error) {
      if (!isFailure(error, 'index-unavailable') || unanswered > 1_000) throw error
      await delay(10)
    }
  }
}

test('a lease role that is killed again and again loses no commit, and no host loses its lease', async () => {
  await using ground = new Ground()
  await ground.startRole()
  const { holder, lost, index } = ground.host(1, PATIENT)
  await index.createWorkspace({ id: W, org: LEASE_ORG })
  const lease = await index.acquire(W)
  const ids: string[] = []
  let isOver = false
  const appending = (async () => {
    for (let parent: Parent = null; !isOver; ) {
      const commit = commitOn(lease, parent)
      await insist(() => index.append(lease, commit))
      ids.push(commit.id)
      parent = commit
    }
  })()
  for (let kills = 0; kills < 4; kills++) {
    await delay(400)
    await ground.killRole()
    await ground.startRole()
  }
  isOver = true
  await appending
  const rows = await index.history(W, { limit: 10_000 })
  assert.deepEqual(rows.map(({ id }) => id).toReversed(), ids)
  assert.ok(ids.length > 20, `${ids.length} commits`)
  assert.deepEqual(lost, [])
  assert.equal((await holder.prove(W)).epoch, lease.epoch)
})

test('a lease role that hangs fences its host before another one may begin', async () => {
  await using ground = new Ground()
  await ground.startRole()
  const first = ground.host(1, HASTY)
  await first.index.createWorkspace({ id: W, org: LEASE_ORG })
  const lease = await first.holder.acquire(W)
  await delay(700)
  ground.signal('SIGSTOP')
  let last = 0
  while (first.lost.length === 0) {
    last = first.holder.deadlineBootMs(W) ?? last
    if (systemBootClock.bootMs() >= last) assert.throws(() => first.holder.held(W), { code: 'lease-lost' })
    await delay(20)
  }
  assert.throws(() => first.holder.held(W), { code: 'lease-lost' })
  ground.signal('SIGCONT')
  const second = ground.host(2, HASTY)
  while (true) {
    const next = await second.holder.acquire(W).catch((error) => {
      if (!isFailure(error, 'lease-held', 'index-unavailable')) throw error
    })
    if (next !== undefined) break
    await delay(50)
  }
  // Both clocks are cut to 10 ms.
  assert.ok(systemBootClock.bootMs() >= last + HASTY.marginMs - 20)
  await rejectsWith('lease-lost', first.index.append(lease, commitOn(lease, null)))
})
