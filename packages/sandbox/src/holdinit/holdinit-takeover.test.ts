import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { openConnection } from './holdinit-connection.ts'
import { collect, command, PID_NAMESPACE, run, shell, startHoldinit } from './running-holdinit.fixture.ts'

const LIMITS = { timeout: 20_000 }

test(
  'a new host finds the commands of the one before, and hears what it had not heard',
  LIMITS,
  async (t) => {
    const { holdinit, connect } = await startHoldinit(t)
    const running = await holdinit.exec(
      shell('echo early; read line; echo "got $line"; exit 4', { stdin: true, marker: 'ex_running' }),
    )
    await holdinit.exec(shell('exit 9', { marker: 'ex_ended' }))
    for await (const piece of running.output) {
      assert.equal(Buffer.from(piece.bytes).toString(), 'early\n')
      break
    }
    await holdinit[Symbol.asyncDispose]()
    assert.deepEqual(await running.ended, { kind: 'gone' })
    await systemClock.sleep(50)

    const next = await connect()
    const [ended, still, ...others] = [...(await next.list())].sort((a, b) =>
      a.marker.localeCompare(b.marker),
    )
    assert.ok(ended !== undefined && still !== undefined && others.length === 0)
    assert.deepEqual([ended.marker, ended.state], ['ex_ended', 'ended'])
    assert.deepEqual([still.marker, still.state, still.sentBytes], ['ex_running', 'running', 6])
    const [exec, over] = [next.adopt(still), next.adopt(ended)]
    assert.equal(await exec.started, still.pid)
    await exec.write(Buffer.from('more\n'))
    assert.equal((await collect(exec)).stdout, 'got more\n')
    assert.deepEqual(await exec.ended, { kind: 'exited', exitCode: 4 })
    assert.deepEqual(await over.ended, { kind: 'exited', exitCode: 9 })
    await collect(over)
    assert.deepEqual(await next.list(), [])
    assert.equal((await run(next, shell('echo new'))).stdout, 'new\n')
  },
)

test('without a host a flood waits, and its next reader gets the rest in order', LIMITS, async (t) => {
  const { holdinit, connect } = await startHoldinit(t)
  await holdinit.exec(shell('seq 1 2000000; exit 1', { marker: 'flood' }))
  await holdinit[Symbol.asyncDispose]()
  await systemClock.sleep(100)
  const next = await connect()
  const [listed] = await next.list()
  assert.ok(listed !== undefined)
  assert.equal(listed.state, 'running')
  const exec = next.adopt(listed)
  const whole = Array.from({ length: 2_000_000 }, (_, i) => `${i + 1}\n`).join('')
  assert.equal((await collect(exec)).stdout, whole.slice(listed.sentBytes))
})

test('the later of two hosts has it', LIMITS, async (t) => {
  const { holdinit, connect } = await startHoldinit(t)
  const next = await connect()
  await holdinit.ended
  await assert.rejects(holdinit.exec(command(['true'])), (error) => isFailure(error, 'sandbox-gone'))
  assert.deepEqual((await run(next, command(['true']))).end, { kind: 'exited', exitCode: 0 })
})

test('who does not have the nonce is not heard, and disturbs nobody', LIMITS, async (t) => {
  const { holdinit, folder, nonce } = await startHoldinit(t)
  const socketPath = join(folder, 'control/control.sock')
  const wrong = new Uint8Array(nonce)
  wrong[5] = (wrong[5] ?? 0) ^ 1
  for (const word of [wrong, new Uint8Array(64)]) {
    const attempt = openConnection({ socketPath, nonce: word, clock: systemClock, timeoutMs: 1000 })
    await assert.rejects(attempt, (error) => isFailure(error, 'sandbox-failed'))
  }
  const silent = connect(socketPath)
  await once(silent, 'connect')
  t.after(() => silent.destroy())
  assert.equal((await run(holdinit, shell('echo undisturbed'))).stdout, 'undisturbed\n')
})

test('who cannot prove to be holdinit is not trusted', LIMITS, async (t) => {
  const { folder, nonce } = await startHoldinit(t)
  const wrong = new Uint8Array(nonce)
  wrong[40] = (wrong[40] ?? 0) ^ 1
  const attempt = openConnection({
    socketPath: join(folder, 'control/control.sock'),
    nonce: wrong,
    clock: systemClock,
    timeoutMs: 1000,
  })
  await assert.rejects(attempt, /not the first process/)
})

test(
  'the nonce is gone once holdinit runs, and a command reaches neither it nor the socket',
  LIMITS,
  async (t) => {
    const { holdinit, folder } = await startHoldinit(t)
    assert.equal(existsSync(join(folder, 'control/nonce')), false)
    const { stderr } = await run(holdinit, shell(`ls ${folder}/control`))
    assert.match(stderr, /Permission denied/)
  },
)

test('as pid 1 it speaks to the outside only, even to root of its own namespace', LIMITS, async (t) => {
  const { holdinit, folder } = await startHoldinit(t, { wrapper: PID_NAMESPACE, flags: { allowRoot: true } })
  const script = `
    import socket
    s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect('${folder}/control/control.sock')
    try: print(len(s.recv(1)))
    except ConnectionResetError: print('reset')`
  const attempt = command(['python3', '-c', script.replaceAll('\n    ', '\n')], { user: 'root' })
  assert.match((await run(holdinit, attempt)).stdout, /^(0|reset)\n$/)
  assert.equal((await run(holdinit, shell('echo undisturbed'))).stdout, 'undisturbed\n')
})

test('a path that is too long for a socket is reached through its folder', LIMITS, async (t) => {
  const { folder, nonce } = await startHoldinit(t)
  const long = `${folder}/${'./'.repeat(60)}control/control.sock`
  const { socket } = await openConnection({ socketPath: long, nonce, clock: systemClock, timeoutMs: 1000 })
  socket.destroy()
})

test('where nobody listens the wait has an end', LIMITS, async () => {
  const attempt = openConnection({
    socketPath: '/nowhere/control.sock',
    nonce: new Uint8Array(64),
    clock: systemClock,
    timeoutMs: 50,
  })
  await assert.rejects(attempt, (error) => isFailure(error, 'sandbox-failed'))
})
