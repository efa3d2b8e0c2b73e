import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { PostgresServer } from '@holdfast/testkit/postgres-server'
import { bootMs } from './boot-clock.ts'
import { Installation, LEASE_MARGIN_MS, LEASE_TTL_MS } from './installation.ts'
import { Ledger } from './ledger.ts'
import { assertApart, beginTicks } from './ticks.ts'

/** Its start takes a second or more on a machine that is busy; a lease of 3 s might rightly end. */
const LONG_TTL_MS = 12_000
/** Each lease is renewed meanwhile. */
const RENEWAL_MS = LONG_TTL_MS / 3 + 500

test('a Postgres that is killed and starts again at once ends no lease and loses nothing', {
  timeout: 60_000,
}, async () => {
  await using postgres = await PostgresServer.start()
  await using installation = await Installation.start({ database: urlOf(postgres), leaseTtlMs: LONG_TTL_MS })
  const workspace = await installation.client.create()
  const ledger = await Ledger.begin(workspace)
  const { epoch } = (await workspace.refresh()).state
  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    const syncing = ledger.sync()
    await postgres.restart(signal)
    await syncing
    await delay(RENEWAL_MS)
    await ledger.sync()
    assert.equal((await workspace.refresh()).state.epoch, epoch, signal)
  }
  await ledger.rest()
  await ledger.audit()
})

test('while Postgres is gone for longer than a lease nothing runs past its deadline, and then all runs on', {
  timeout: 60_000,
}, async () => {
  await using postgres = await PostgresServer.start()
  await using installation = await Installation.start({ database: urlOf(postgres) })
  const workspace = await installation.client.create()
  const ledger = await Ledger.begin(workspace)
  const first = await beginTicks(installation, workspace)
  await ledger.sync()
  await postgres.stop('SIGKILL')
  const deadlineMs = bootMs() + LEASE_TTL_MS - LEASE_MARGIN_MS
  await delay(2 * LEASE_TTL_MS)
  await postgres.restart('SIGKILL')
  await installation.recovered(workspace, first)
  await ledger.audit()
  const second = await beginTicks(installation, workspace)
  assertApart(installation, workspace, { first, second, deadlineMs })
})

function urlOf({ connection }: PostgresServer): string {
  const { host, user, database } = connection
  return `postgres://${user}@localhost/${database}?host=${encodeURIComponent(host)}`
}
