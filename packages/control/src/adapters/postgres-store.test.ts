import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { PostgresServer } from '@holdfast/testkit/postgres-server'
import { PostgresStore } from './postgres-store.ts'
import { type OpenedStore, storeConformance } from './store-conformance.fixture.ts'

const server = await PostgresServer.start()
after(() => server[Symbol.asyncDispose]())

async function open(): Promise<OpenedStore> {
  const schema = server.newSchema()
  const options = { connection: server.connection, schema, connectionsMax: 6 }
  // Replicas that start at once both find or make the tables.
  const [store, beside] = await Promise.all([PostgresStore.open(options), PostgresStore.open(options)])
  return {
    store,
    beside,
    tamper: async (sql) => {
      await server.query(`SET search_path = ${schema}; ${sql}`)
    },
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]()
      await beside[Symbol.asyncDispose]()
    },
  }
}

storeConformance('postgres', open)

test('a database that restarts is unavailable, and then it is there again', async () => {
  await using opened = await open()
  await server.stop('SIGINT')
  await assert.rejects(opened.store.read.events.lastId(), { code: 'index-unavailable' })
  await assert.rejects(
    opened.store.write((changes) => changes.answers.removeExpired(1)),
    { code: 'index-unavailable' },
  )
  await server.restart('SIGINT')
  assert.equal(await opened.store.read.events.lastId(), 0)
})

test('a connection that breaks in the midst of a change is a failure of that change alone', async () => {
  await using opened = await open()
  const write = opened.store.write(async (changes) => {
    await changes.answers.removeExpired(1)
    await server.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()')
    await delay(100)
    await changes.answers.removeExpired(1)
  })
  await assert.rejects(write, { code: 'index-unavailable' })
  assert.equal(await opened.store.read.events.lastId(), 0)
})
