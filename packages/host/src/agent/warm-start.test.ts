import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { SANDBOX_SPEC_DEFAULT } from '@holdfast/protocol/sandbox-spec'
import { until } from '@holdfast/testkit/until'
import { HostWorld } from './host-world.fixture.ts'

/** One that has begun is frozen next, and then waits: that much longer, on a machine that has much to do. */
const FREEZE_MS = 1000

for (const volume of ['live', 'btrfs'] as const) {
  test(`a workspace of the default kind begins in a sandbox that waited (${volume})`, {
    timeout: 60_000,
  }, async (t) => {
    await using world = await HostWorld.make()
    const agent = await world.agent({ volume, warm: { perKey: 1, keysMax: 1 } })
    await until('one sandbox waits', () => begun(world.base) === 1)
    await delay(FREEZE_MS)
    const beganAt = performance.now()
    const opened = await agent.open({ spec: SANDBOX_SPEC_DEFAULT })
    t.diagnostic(`open: ${(performance.now() - beganAt).toFixed(1)} ms`)
    assert.equal(opened.sandbox?.start, 'warm')
    assert.equal((await agent.shell('echo kept > a; id -u')).text, '1000\n')
    assert.equal((await agent.sync()).generation.files, 1)
    await until('another one waits', () => begun(world.base) === 2)
    await delay(FREEZE_MS)
    assert.equal((await agent.close()).kind, 'saved')
    const again = await agent.open({ spec: SANDBOX_SPEC_DEFAULT })
    assert.equal(again.sandbox?.start, 'warm')
    assert.equal((await agent.shell('cat a')).text, 'kept\n')
    const other = { ...SANDBOX_SPEC_DEFAULT, fsync: 'native' as const }
    await agent.close()
    assert.equal((await agent.open({ spec: other })).sandbox?.start, 'cold', 'of another kind, none waited')
  })
}

/** Sandboxes of an agent that have begun, claimed or not. */
function begun(base: string): number {
  const folder = join(base, 'host-a', 'sandboxes')
  // The nonce has gone once the first process knows it.
  return readdirSync(folder).filter((name) => {
    const has = (file: string) => existsSync(join(folder, name, file))
    return has('pid') && !has('nonce')
  }).length
}
