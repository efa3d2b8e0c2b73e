import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import { systemRandomness } from '@holdfast/base/randomness'
import type { ReportedEvent } from '@holdfast/protocol/control-calls'
import { HostEvents } from './host-events.ts'

const WORKSPACE = newIdentifier('ws', systemRandomness)

class Told implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-events-'))
  readonly path = join(this.folder, 'events')
  readonly events: ReportedEvent[] = []
  isAway = false

  begin(): HostEvents {
    return new HostEvents({
      clock: systemClock,
      randomness: systemRandomness,
      path: this.path,
      send: async (events) => {
        if (this.isAway) throw new Failure('overloaded', 'control is away')
        this.events.push(...events)
      },
    })
  }

  async until(count: number): Promise<unknown[]> {
    for (let left = 200; this.events.length < count && left > 0; left--) await delay(20)
    return this.events.map(({ payload }) => payload.n)
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

test('events arrive once and in order, also when nobody takes them at first', async () => {
  using told = new Told()
  await using events = told.begin()
  told.isAway = true
  for (const n of [1, 2, 3]) events.tell(WORKSPACE, 'service_status', { n })
  await delay(150)
  told.isAway = false
  assert.deepEqual(await told.until(3), [1, 2, 3])
  events.tell(WORKSPACE, 'service_status', { n: 4 })
  assert.deepEqual(await told.until(4), [1, 2, 3, 4])
  assert.equal(new Set(told.events.map(({ id }) => id)).size, 4)
  await delay(50)
  assert.equal(readFileSync(told.path, 'utf8'), '', 'what has arrived is not kept')
})

test('what a process could not tell, the next one does, but for a line that it did not finish', async () => {
  using told = new Told()
  told.isAway = true
  {
    await using events = told.begin()
    events.tell(WORKSPACE, 'service_status', { n: 1 })
    events.tell(WORKSPACE, 'service_status', { n: 2 })
  }
  appendFileSync(told.path, '{"id":"event_x","works')
  told.isAway = false
  await using events = told.begin()
  events.tell(WORKSPACE, 'service_status', { n: 3 })
  assert.deepEqual(await told.until(3), [1, 2, 3])
})
