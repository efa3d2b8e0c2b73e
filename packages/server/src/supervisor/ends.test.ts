import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { HomeForTest } from './installation.fixture.ts'
import { RunningInstallation } from './running-installation.ts'

const LIMIT = { timeout: 120_000 }

test('a clean end leaves no mount, and the next start takes the volumes as they are', LIMIT, async () => {
  await using home = new HomeForTest({ volume: 'btrfs' })
  await home.up()
  await home.ask('POST /workspaces?wait=30s', { name: 'box' })
  await home.run('box', 'sh', '-c', 'echo kept > a')
  const file = await home.run('box', 'stat', '-c', '%i %z', 'a')
  assert.match(file, /^\d+ /)
  assert.ok(home.mounts().length > 0)
  await home.down()
  assert.deepEqual(home.mounts(), [])
  await home.up()
  assert.equal(await home.run('box', 'cat', 'a'), 'kept\n')
  assert.equal(await home.run('box', 'stat', '-c', '%i %z', 'a'), file, 'nothing was restored')
})

test('a host that is killed finds its volumes in their places', LIMIT, async () => {
  await using home = new HomeForTest({ volume: 'btrfs' })
  await home.up()
  await home.ask('POST /workspaces?wait=30s', { name: 'box' })
  await home.run('box', 'sh', '-c', 'echo synced > a')
  await home.ask('POST /workspaces/box/sync', {})
  const pid = home.running.pidOf('host') ?? 0
  process.kill(pid, 'SIGKILL')
  await home.until('GET /workspaces/box', ({ status, epoch }) => status === 'idle' && epoch > 1)
  assert.notEqual(home.running.pidOf('host'), pid)
  assert.equal(await home.run('box', 'cat', 'a'), 'synced\n')
  await home.down()
  assert.deepEqual(home.mounts(), [])
})

test('a second server of the same folder is told which process runs it', LIMIT, async () => {
  await using home = new HomeForTest()
  await home.up()
  const deps = { clock: systemClock, randomness: systemRandomness, onChange: () => {} }
  await assert.rejects(RunningInstallation.start(deps, home.options), {
    code: 'already-running',
    message: new RegExp(`^process ${process.pid} runs the server of `),
  })
  assert.ok(existsSync(home.path))
})

test('a port that is taken ends the start at once, with its name, and leaves nothing', LIMIT, async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const bound = other.address()
  const address = `127.0.0.1:${typeof bound === 'object' ? bound?.port : ''}`
  const deps = { clock: systemClock, randomness: systemRandomness, onChange: () => {} }
  for (const setting of ['api', 'apps'] as const) {
    await using home = new HomeForTest({ volume: 'btrfs', [setting]: address })
    await assert.rejects(RunningInstallation.start(deps, home.options), {
      code: 'port-taken',
      message: `${setting} ${address}: another process listens there`,
    })
    assert.deepEqual(home.mounts(), [])
  }
  other.close()
})
