import assert from 'node:assert/strict'
import { symlinkSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import type { GuestCall } from '../runtime.ts'
import {
  BINARY,
  command,
  type RunningHoldinit,
  run,
  shell,
  startHoldinit,
  until,
} from './running-holdinit.fixture.ts'

const LIMITS = { timeout: 20_000 }
const DISTURBED_MS_MAX = 8_000

async function startWithHold(
  t: TestContext,
): Promise<{ running: RunningHoldinit; hold: (word: string) => ReturnType<typeof run> }> {
  const running = await startHoldinit(t)
  symlinkSync(BINARY, join(running.folder, 'hold'))
  const environment = {
    PATH: `${running.folder}:/usr/bin:/bin`,
    HOLDFAST_GUEST_SOCKET: join(running.folder, 'guest.sock'),
  }
  return { running, hold: (word) => run(running.holdinit, command(['hold', word], { environment })) }
}

/** What the socket says to these bytes, up to its end. */
async function ask(folder: string, bytes: string | Uint8Array): Promise<string> {
  const socket = connect(join(folder, 'guest.sock'))
  socket.on('error', () => {})
  socket.write(bytes)
  let text = ''
  socket.on('data', (part: Buffer) => {
    text += part.toString('latin1')
  })
  await new Promise((resolve) => socket.on('close', resolve)) // also after a reset
  return text
}

test('hold asks the host and ends with its answer', LIMITS, async (t) => {
  const { running, hold } = await startWithHold(t)
  const calls: GuestCall[] = []
  running.holdinit.onGuestCall(async (call) => {
    calls.push(call)
    await systemClock.sleep(20)
    return call.kind === 'sync'
      ? { exitCode: 0, text: 'durable\n' }
      : { exitCode: 75, text: 'behind\nby two\n' }
  })
  const [sync, status] = await Promise.all([hold('sync'), hold('status')])
  assert.deepEqual([sync.stdout, sync.end], ['durable\n', { kind: 'exited', exitCode: 0 }])
  assert.deepEqual([status.stdout, status.end], ['behind\nby two\n', { kind: 'exited', exitCode: 75 }])
  assert.deepEqual(calls.map((call) => call.kind).sort(), ['status', 'sync'])
})

test('a long answer arrives, as far as there is room for it', LIMITS, async (t) => {
  const { running, hold } = await startWithHold(t)
  running.holdinit.onGuestCall(async () => ({ exitCode: 0, text: 'x'.repeat(100_000) }))
  assert.equal((await hold('status')).stdout.length, 60_000)
})

test('a host that fails to answer, or is gone, is said so', LIMITS, async (t) => {
  const { running, hold } = await startWithHold(t)
  assert.deepEqual((await hold('sync')).end, { kind: 'exited', exitCode: 125 })
  running.holdinit.onGuestCall(() => Promise.reject(new Error('broken')))
  const failed = await hold('sync')
  assert.deepEqual([failed.stdout, failed.end], ['failed\n', { kind: 'exited', exitCode: 125 }])
  running.holdinit.onGuestCall(() => new Promise(() => {}))
  const pending = ask(running.folder, 'sync\n')
  await systemClock.sleep(50)
  await running.holdinit[Symbol.asyncDispose]()
  assert.match(await pending, /^75\n/)
  assert.match(await ask(running.folder, 'sync\n'), /^75\n/)
})

test('hold explains itself, and says when nobody is there', LIMITS, async (t) => {
  const { running, hold } = await startWithHold(t)
  const usage = await hold('nonsense')
  assert.match(usage.stderr, /usage: hold sync/)
  assert.deepEqual(usage.end, { kind: 'exited', exitCode: 2 })
  const environment = { HOLDFAST_GUEST_SOCKET: '/nowhere', PATH: running.folder }
  const alone = await run(running.holdinit, command(['hold', 'sync'], { environment }))
  assert.match(alone.stderr, /nowhere: No such file/)
  assert.deepEqual(alone.end, { kind: 'exited', exitCode: 125 })
})

test('what is no request is refused', LIMITS, async (t) => {
  const { running } = await startWithHold(t)
  for (const bytes of [
    'sync\nstatus\n',
    'SYNC\n',
    '\n',
    `${'x'.repeat(1000)}`,
    '\0\0\0\n',
    'syncsyncsyncsyncsync',
  ]) {
    // what is refused before all of it is read may see a reset in place of the answer
    assert.match(await ask(running.folder, bytes), /^2\n|^$/, JSON.stringify(bytes))
  }
  assert.equal((await run(running.holdinit, shell('echo alive'))).stdout, 'alive\n')
})

test('two thousand connections that say nothing cost nothing, and make way', LIMITS, async (t) => {
  const { running, hold } = await startWithHold(t)
  running.holdinit.onGuestCall(async () => ({ exitCode: 0, text: 'ok\n' }))
  const sockets: Socket[] = []
  for (let i = 0; i < 2000; i++) {
    const socket = connect(join(running.folder, 'guest.sock'))
    socket.on('error', () => {})
    socket.on('close', () => socket.destroy())
    sockets.push(socket)
  }
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  const start = performance.now()
  assert.equal((await run(running.holdinit, shell('echo undisturbed'))).stdout, 'undisturbed\n')
  assert.ok(performance.now() - start < DISTURBED_MS_MAX)
  for (const socket of sockets) socket.destroy()
  await until(() => sockets.every((socket) => socket.destroyed))
  assert.equal((await hold('sync')).stdout, 'ok\n')
})

test('a connection that says nothing is closed after a while', LIMITS, async (t) => {
  const { running } = await startWithHold(t)
  const start = performance.now()
  assert.equal(await ask(running.folder, 'syn'), '')
  const ms = performance.now() - start
  assert.ok(ms > 4500 && ms < 7000, `${ms} ms`)
})

test('calls are limited to twenty a second', LIMITS, async (t) => {
  const { running } = await startWithHold(t)
  let calls = 0
  running.holdinit.onGuestCall(async () => {
    calls += 1
    return { exitCode: 0, text: '' }
  })
  const answers = []
  for (let i = 0; i < 100; i++) answers.push(await ask(running.folder, 'status\n'))
  assert.ok(calls >= 40 && calls < 80, `${calls} calls`)
  assert.ok(answers.filter((answer) => answer.startsWith('75\n')).length === 100 - calls)
})
