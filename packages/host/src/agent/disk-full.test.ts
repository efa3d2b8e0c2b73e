import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { withFormattedImage } from '@holdfast/testkit/ext4-image'
import { until } from '@holdfast/testkit/until'
import { HostWorld } from './host-world.fixture.ts'

const MIB = 1 << 20
const DISK_BYTES = 3072 * MIB

/** Takes all but so much of what is free. */
function fill(directory: string, leaveBytes: number): string {
  const { bfree, bsize } = statfsSync(directory)
  const path = join(directory, 'filler')
  execFileSync('fallocate', ['-l', String(bfree * bsize - leaveBytes), path])
  return path
}

test('a host disk that is full loses nothing acknowledged, and the workspace goes on once there is room', {
  timeout: 60_000,
}, async () => {
  await withFormattedImage(DISK_BYTES, ['-m', '0'], async (disk) => {
    await using world = await HostWorld.make(disk)
    const agent = await world.agent({ volume: 'btrfs', finalMs: 1000 })
    await agent.open()
    await agent.shell('echo acknowledged > kept')
    const kept = await agent.sync()
    assert.equal((await agent.facts()).pressure, 'none')

    const filler = fill(disk, 24 * MIB)
    await until('the disk presses', async () => (await agent.facts()).pressure === 'disk')
    await agent.shell('for i in 1 2 3 4 5 6 7 8; do dd if=/dev/urandom of=more-$i bs=1M count=8; done')
    await assert.rejects(agent.sync(), (error) =>
      isFailure(error, 'store-full', 'volume-full', 'source-failed'),
    )
    const facts = await agent.facts()
    assert.ok(['running', 'sandbox-gone', 'failed'].includes(facts.state), facts.state)
    const refused = await agent.close()
    assert.equal(refused.kind, 'not-saved')

    rmSync(filler)
    const outcome = await agent.close()
    assert.equal(outcome.kind, 'saved')
    assert.ok(outcome.kind === 'saved' && outcome.generation.sequence >= kept.generation.sequence)
    await agent.open()
    assert.equal((await agent.shell('cat kept')).text, 'acknowledged\n')
  })
})
