import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { until } from '@holdfast/testkit/until'
import { Installation } from './installation.ts'
import { Ledger } from './ledger.ts'
import { beginTicks, ticksOf } from './ticks.ts'

const BUSY = 40
const TEMPTATION_MS = 700

test('a host agent that is killed as it hands over leaves nothing running beside the successor', {
  timeout: 60_000,
}, async () => {
  await using installation = await Installation.start()
  const workspace = await installation.client.create({ limits: { pids: BUSY + 50 } })
  const ledger = await Ledger.begin(workspace)
  const first = await beginTicks(installation, workspace, BUSY)
  await ledger.sync()
  const source = installation.host(installation.hostOf(workspace) ?? '')
  const handoff = workspace.handoff().catch((error: unknown) => error)
  await whenReleased(installation, first)
  process.kill(source.pid, 'SIGKILL')
  await source.kill()
  const answer = await handoff
  assert.ok(answer instanceof Error, 'its source was killed before it could answer')
  await installation.recovered(workspace, first)
  const second = await beginTicks(installation, workspace)
  await delay(TEMPTATION_MS)
  await ledger.audit()
  const last = ticksOf(installation, workspace, first).at(-1) ?? 0
  const next = ticksOf(installation, workspace, second)[0] ?? 0
  assert.ok(last > 0 && last < next, `epoch ${first} ran ${Math.ceil(last - next)} ms into epoch ${second}`)
})

/** Resolves at the instant at which the history has another epoch. */
async function whenReleased(installation: Installation, epoch: number): Promise<void> {
  using database = new DatabaseSync(join(installation.base, 'history.sqlite'), { readOnly: true })
  const read = database.prepare('SELECT max(epoch) AS epoch FROM workspaces')
  await until('the lease is handed over', () => {
    for (const end = performance.now() + 50; performance.now() < end; )
      if (Number(read.get()?.epoch) > epoch) return true
    return undefined
  })
}
