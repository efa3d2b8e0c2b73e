import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { startHoldinit, until } from './running-holdinit.fixture.ts'

const LIMITS = { timeout: 20_000 }

async function listen(t: TestContext, serve: (socket: Socket) => void, host = '127.0.0.1'): Promise<number> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    t.after(() => socket.destroy())
    serve(socket)
  })
  server.listen(0, host)
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

async function text(stream: AsyncIterable<unknown>): Promise<string> {
  let all = ''
  for await (const bytes of stream) all += String(bytes)
  return all
}

test('bytes go both ways, and each way ends by itself', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const port = await listen(t, (socket) => {
    void text(socket).then((asked) => socket.end(`you said ${asked}`))
  })
  const stream = await holdinit.connect(port)
  stream.write('one ')
  stream.end('two')
  assert.equal(await text(stream), 'you said one two')
})

test('the other side may end first', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  let heard: Promise<string> | undefined
  const port = await listen(t, (socket) => {
    socket.end('bye')
    heard = text(socket)
  })
  const stream = await holdinit.connect(port)
  assert.equal(await text(stream), 'bye')
  stream.end('still here')
  await until(() => heard !== undefined)
  assert.equal(await heard, 'still here')
})

test('a server on ::1 only is found', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const port = await listen(t, (socket) => socket.end('six'), '::1')
  assert.equal(await text((await holdinit.connect(port)).end()), 'six')
})

test('a port without a server is refused by name', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  await assert.rejects(holdinit.connect(1), (error) => {
    assert.ok(isFailure(error, 'port-unreachable'))
    assert.deepEqual(error.details, { step: 'connect', errno: 'ECONNREFUSED' })
    return true
  })
})

test('100 MB go through unchanged while another connection idles', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const port = await listen(t, (socket) => socket.pipe(socket))
  const idle = await holdinit.connect(port)
  const stream = await holdinit.connect(port)
  const block = Buffer.alloc(1_000_000, 'holdfast')
  const [sent, received] = [createHash('sha256'), createHash('sha256')]
  const reading = (async () => {
    for await (const bytes of stream) received.update(bytes as Buffer)
  })()
  for (let i = 0; i < 100; i++) {
    sent.update(block)
    if (!stream.write(block)) await once(stream, 'drain')
  }
  stream.end()
  await reading
  assert.equal(received.digest('hex'), sent.digest('hex'))
  idle.write('ping')
  assert.equal(String((await once(idle, 'data'))[0]), 'ping')
  idle.destroy()
})

test('who does not read is waited for', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  let written = 0
  const port = await listen(t, (socket) => {
    const block = Buffer.alloc(100_000)
    const write = () => {
      while (socket.write(block)) written += block.length
    }
    socket.on('drain', write)
    write()
  })
  const stream = await holdinit.connect(port)
  await systemClock.sleep(300)
  const stuck = written
  assert.ok(stuck < 20_000_000, `${stuck} bytes are on their way`)
  stream.resume()
  await until(() => written > stuck + 20_000_000)
  stream.destroy()
})

test('a connection that is given up is closed inside', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  let closed = false
  const port = await listen(t, (socket) => {
    socket.resume()
    socket.on('close', () => {
      closed = true
    })
    socket.on('end', () => socket.end())
  })
  const stream = await holdinit.connect(port)
  stream.destroy()
  await until(() => closed)
})

test('the end of holdinit ends its connections with an error', LIMITS, async (t) => {
  const { holdinit, child } = await startHoldinit(t)
  const port = await listen(t, (socket) => socket.resume())
  const stream = await holdinit.connect(port)
  child.kill('SIGTERM')
  const [error] = await once(stream, 'error')
  assert.ok(isFailure(error, 'sandbox-gone'))
})
