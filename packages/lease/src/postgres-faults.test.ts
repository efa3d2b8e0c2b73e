import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isFailure } from '@holdfast/base/failure'
import type { GenerationIndex, HeldLease } from '@holdfast/generations/index/generation-index'
import { MemoryGenerationIndex } from '@holdfast/generations/index/memory-generation-index'
import { emptyModel, indexCommands } from '@holdfast/testkit/generation-index-commands'
import {
  appendChain,
  commitOn,
  describeHistory,
  ORG,
  OTHER_ORG,
  type Parent,
  rejectsWith,
  WORKSPACE,
} from '@holdfast/testkit/generation-index-fixture'
import { hostId, LEASE_ORG, workspaceId } from '@holdfast/testkit/lease-registry-fixture'
import { openPostgresLeases } from '@holdfast/testkit/postgres-leases'
import { PostgresServer } from '@holdfast/testkit/postgres-server'
import fc from 'fast-check'
import { PostgresGenerationIndex } from './postgres-generation-index.ts'

const server = await PostgresServer.start()
after(() => server[Symbol.asyncDispose]())

/** Submits a commit, unchanged, until its outcome is known; returns how often no answer came. */
async function appendInsisting(index: GenerationIndex, lease: HeldLease, parent: Parent) {
  const commit = commitOn(lease, parent)
  for (let unanswered = 0; ; unanswered++) {
    try {
      await index.append(lease, commit)
      return { commit, unanswered }
    } catch (error) {
      if (!isFailure(error, 'index-unavailable') || unanswered > 1_000) throw error
      await delay(2)
    }
  }
}

async function assertChain(index: GenerationIndex, ids: readonly string[]): Promise<void> {
  const rows = (await index.history(WORKSPACE, { limit: 10_000 })).toReversed()
  assert.deepEqual(
    rows.map((row) => row.id),
    ids,
  )
  assert.equal((await index.packs(ORG, 'live')).length, ids.length)
  assert.equal((await index.workspace(WORKSPACE)).head, ids.at(-1))
}

const CLIENTS = `SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`
const KILL = `SELECT pg_terminate_backend(pid) FROM (${CLIENTS}) AS clients`

test('a commit whose connection is cut at any moment is unavailable, and submitted again it is there once', async () => {
  const { index, close } = await openPostgresLeases(server)
  try {
    await index.createWorkspace({ id: WORKSPACE, org: ORG })
    const lease = await index.acquire(WORKSPACE)
    const ids: string[] = []
    let unanswered = 0
    let isCutting = true
    const cutting = (async () => {
      for (let cuts = 0; cuts < 25; cuts++) await server.query(KILL)
      isCutting = false
    })()
    for (let parent: Parent = null; isCutting; ) {
      const appended = await appendInsisting(index, lease, parent)
      unanswered += appended.unanswered
      ids.push(appended.commit.id)
      parent = appended.commit
    }
    await cutting
    assert.ok(unanswered > 3, `the cuts met ${unanswered} commits`)
    await assertChain(index, ids)
  } finally {
    await close()
  }
})

test('a database that crashes and starts again keeps its history, and is used again by itself', async () => {
  const { index, registry, close } = await openPostgresLeases(server)
  try {
    await index.createWorkspace({ id: WORKSPACE, org: ORG })
    const lease = await index.acquire(WORKSPACE)
    const commits = [...(await appendChain(index, lease, { count: 3 }))]
    await server.stop('SIGINT')
    await rejectsWith('index-unavailable', index.append(lease, commitOn(lease, commits.at(-1) ?? null)))
    await rejectsWith('index-unavailable', registry.leaseStates({ workspaces: [] }))
    await server.restart('SIGKILL')
    const { commit } = await appendInsisting(index, lease, commits.at(-1) ?? null)
    await assertChain(
      index,
      [...commits, commit].map(({ id }) => id),
    )
  } finally {
    await close()
  }
})

test('a lease runs by the clock of the server', async () => {
  const { index, registry, close } = await openPostgresLeases(server)
  try {
    const [workspace, ttlMs] = [workspaceId(1), 400]
    await index.createWorkspace({ id: workspace, org: LEASE_ORG })
    await registry.acquireLease({ workspace, host: hostId(1), ttlMs, nonce: 'a', afterEpoch: 0 })
    const other = { workspace, host: hostId(2), ttlMs, nonce: 'b', afterEpoch: 1 }
    await rejectsWith('lease-held', registry.acquireLease(other))
    await delay(ttlMs)
    assert.equal((await registry.acquireLease(other)).epoch, 2)
  } finally {
    await close()
  }
})

test('replicas that start at once make the tables once; another schema, or a newer one, is refused', async () => {
  const schema = server.newSchema()
  const options = { connection: server.connection, schema }
  const opened = await Promise.all([1, 2, 3, 4].map(() => PostgresGenerationIndex.open(options)))
  for (const index of opened) await index[Symbol.asyncDispose]()
  await server.query(`UPDATE ${schema}.meta SET value = '2' WHERE key = 'version'`)
  await rejectsWith('version-unknown', PostgresGenerationIndex.open(options))
  await server.query(`UPDATE ${schema}.meta SET value = 'two' WHERE key = 'version'`)
  await rejectsWith('history-corrupt', PostgresGenerationIndex.open(options))
  const foreign = { ...options, schema: server.newSchema() }
  await server.query(`CREATE SCHEMA ${foreign.schema}; CREATE TABLE ${foreign.schema}.notes (text TEXT)`)
  await rejectsWith('foreign-format', PostgresGenerationIndex.open(foreign))
  await rejectsWith('invalid-argument', PostgresGenerationIndex.open({ ...options, schema: 'a; b' }))
  const nowhere = { ...options, connection: 'postgres://nobody@127.0.0.1:1/none' }
  await rejectsWith('index-unavailable', PostgresGenerationIndex.open(nowhere))
})

test('a write that waits too long for a lock is unavailable, and goes through once it is free', async () => {
  const options = { connection: server.connection, schema: server.newSchema(), statementMs: 700 }
  await using index = await PostgresGenerationIndex.open(options)
  await index.createWorkspace({ id: WORKSPACE, org: ORG })
  const lease = await index.acquire(WORKSPACE)
  const holding = server.query(
    `BEGIN; SELECT 1 FROM ${options.schema}.workspaces FOR UPDATE; SELECT pg_sleep(2); COMMIT`,
  )
  await delay(200)
  await rejectsWith('index-unavailable', index.append(lease, commitOn(lease, null)))
  await holding
  await appendChain(index, lease, { count: 1 })
})

/** Runs `sql` in a transaction that stays open for a while, and meanwhile `call`. */
async function beside(sql: string, call: () => Promise<unknown>): Promise<void> {
  const held = server.query(`BEGIN; ${sql}; SELECT pg_sleep(0.6); COMMIT`)
  await delay(250)
  await Promise.all([held, call()])
}

test('a commit that waits for an acquire or a condemnation which came first is refused by it', async () => {
  const options = { connection: server.connection, schema: server.newSchema() }
  await using index = await PostgresGenerationIndex.open(options)
  await index.createWorkspace({ id: WORKSPACE, org: ORG })
  const lease = await index.acquire(WORKSPACE)
  const [first] = await appendChain(index, lease, { count: 1 })
  assert.ok(first)
  const { schema } = options
  const uses = commitOn(lease, first, { usedPacks: [first.recordPack] })
  await beside(
    `SELECT 1 FROM ${schema}.orgs FOR NO KEY UPDATE; UPDATE ${schema}.packs SET state = 'condemned'`,
    () => rejectsWith('gc-expired', index.append(lease, uses)),
  )
  await index.reprievePacks(ORG, [first.recordPack])
  await beside(`UPDATE ${schema}.workspaces SET epoch = epoch + 1`, () =>
    rejectsWith('lease-lost', index.append(lease, uses)),
  )
  assert.equal((await index.workspace(WORKSPACE)).head, first.id)
})

test('a connection that never answers is given up once, and the next call uses another', async () => {
  const options = { connection: server.connection, schema: server.newSchema(), statementMs: 500 }
  await using index = await PostgresGenerationIndex.open(options)
  await index.createWorkspace({ id: WORKSPACE, org: ORG })
  const lease = await index.acquire(WORKSPACE)
  const pids = (await server.query(CLIENTS)).map(Number)
  assert.ok(pids.length > 0)
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  try {
    const commit = commitOn(lease, null)
    const startedAt = performance.now()
    await rejectsWith('index-unavailable', index.append(lease, commit))
    assert.ok(performance.now() - startedAt < 2_900, 'it waited twice')
    await index.append(lease, commit)
    assert.equal((await index.workspace(WORKSPACE)).head, commit.id)
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT')
  }
})

test('through any calls, two handles on one Postgres say what the index in memory says', async () => {
  await fc.assert(
    fc.asyncProperty(indexCommands(), async (commands) => {
      const opened = await openPostgresLeases(server)
      const model = new MemoryGenerationIndex()
      try {
        await using other = await opened.reopen()
        const real = { handles: [opened.index, other], turn: 0 }
        await fc.asyncModelRun(() => ({ model: emptyModel(model), real }), commands)
        for (const handle of real.handles)
          assert.deepEqual(
            await describeHistory(handle, [ORG, OTHER_ORG]),
            await describeHistory(model, [ORG, OTHER_ORG]),
          )
      } finally {
        await opened.close()
      }
    }),
    { numRuns: process.env.HOLDFAST_LONG ? 500 : 12 },
  )
})

test('many writers of one org, while GC condemns beside them, never stop each other for good', async () => {
  const opened = await openPostgresLeases(server)
  try {
    await using other = await opened.reopen()
    const handles = [opened.index, other]
    const ids = Array.from({ length: 6 }, (_, n) => `ws-${n}`)
    for (const id of ids) await opened.index.createWorkspace({ id, org: ORG })
    const written = ids.map(async (id, n) => {
      const index = handles[n % 2] ?? opened.index
      return await appendChain(index, await index.acquire(id), { count: 25 })
    })
    const condemned = (async () => {
      for (let n = 0; n < 20; n++) await other.condemnPacks(ORG, [], n)
    })()
    const forks = (async () => {
      for (let n = 0; n < 10; n++) await opened.index.createWorkspace({ id: `more-${n}`, org: ORG })
    })()
    await Promise.all([...written, condemned, forks])
    for (const id of ids) assert.equal((await other.history(id, { limit: 100 })).length, 25)
    assert.equal(await other.gcClock(ORG), 20)
  } finally {
    await opened.close()
  }
})
