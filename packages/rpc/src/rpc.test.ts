import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Failure, isFailure } from '@holdfast/base/failure'
import { z } from 'zod'
import { parseAddress } from './address.ts'
import { RpcClient } from './rpc-client.ts'
import { RpcClients } from './rpc-clients.ts'
import { RpcServer } from './rpc-server.ts'

const TABLE = {
  double: { request: z.strictObject({ n: z.int() }), response: z.strictObject({ n: z.int() }) },
  refuse: { request: z.strictObject({}), response: z.strictObject({}) },
  hang: { request: z.strictObject({}), response: z.strictObject({}) },
  break: { request: z.strictObject({}), response: z.strictObject({}) },
} as const
const clusterKey = 'k'.repeat(32)

async function withServer(
  address: string,
  use: (client: RpcClient<typeof TABLE>, server: RpcServer, defects: unknown[]) => Promise<void>,
): Promise<void> {
  const defects: unknown[] = []
  await using server = await RpcServer.listen({
    address,
    clusterKey,
    onDefect: (error) => defects.push(error),
  })
  server.serve(TABLE, {
    double: async ({ n }) => ({ n: n * 2 }),
    refuse: async () => {
      throw new Failure('lease-held', 'host-b has it', { host: 'host-b' })
    },
    hang: (_request, signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', reject)),
    break: async () => {
      throw new TypeError('a defect')
    },
  })
  server.route({
    streams: { '/streams/echo': async (request, response) => void request.pipe(response) },
    upgrades: {
      '/streams/raw': async (_request, socket) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: raw\r\n\r\n')
        socket.pipe(socket)
      },
      '/streams/greeted': async ({ headers }, socket) => {
        const greeting = `x-greeting: ${headers['x-name']}, ${headers.upgrade}`
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: raw\r\n${greeting}\r\n\r\nfirst`,
        )
        socket.pipe(socket)
      },
      '/streams/fenced': async () => {
        throw new Failure('lease-lost', 'another epoch', { epoch: 7 })
      },
    },
  })
  await using client = new RpcClient(TABLE, {
    address: server.address,
    clusterKey,
    unreachable: 'host-unreachable',
  })
  await use(client, server, defects)
}

for (const kind of ['unix', 'tcp'] as const) {
  test(`calls, failures, streams and raw bytes cross a ${kind} socket`, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-rpc-'))
    const address = kind === 'unix' ? `unix:${join(directory, 's')}` : 'http://127.0.0.1:0'
    try {
      await withServer(address, async (client, _server, defects) => {
        if (kind === 'unix') assert.equal(statSync(join(directory, 's')).mode & 0o777, 0o600)
        assert.deepEqual(await client.call('double', { n: 21 }), { n: 42 })
        await assert.rejects(client.call('refuse', {}), (error) => {
          assert.ok(isFailure(error, 'lease-held'))
          assert.deepEqual(error.details, { host: 'host-b' })
          return true
        })
        await assert.rejects(client.call('hang', {}, { timeoutMs: 50 }), { code: 'timed-out' })
        await assert.rejects(client.call('break', {}), { code: 'internal' })
        assert.equal(defects.length, 1)
        const echo = await client.stream({
          method: 'PUT',
          path: '/streams/echo',
          query: { a: 1 },
          body: Buffer.from('bytes'),
        })
        assert.equal(await echo.body.text(), 'bytes')
        const socket = await client.upgrade('/streams/raw', {}, 'raw')
        socket.write('ping')
        const [heard] = await socket.take(1).toArray()
        assert.equal(String(heard), 'ping')
        socket.destroy()
        await assert.rejects(client.upgrade('/streams/fenced', {}, 'raw'), (error) => {
          assert.ok(isFailure(error, 'lease-lost'))
          assert.deepEqual(error.details, { epoch: 7 })
          return true
        })
        await assert.rejects(client.upgrade('/streams/none', {}, 'raw'), { code: 'not-found' })
      })
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
}

test('a handshake carries headers both ways, and the first bytes of an eager role are not lost', async () => {
  await withServer('http://127.0.0.1:0', async (client) => {
    const { headers, socket } = await client.handshake({
      ...{ path: '/streams/greeted', query: {}, protocol: 'raw' },
      headers: { 'x-name': 'a', authorization: 'is that of the role' },
    })
    assert.equal(headers['x-greeting'], 'a, raw')
    const [heard] = await socket.take(1).toArray()
    assert.equal(String(heard), 'first')
    socket.destroy()
  })
})

test('a request of another shape, and one without the key, are refused by name', async () => {
  await withServer('http://127.0.0.1:0', async (client, server) => {
    // @ts-expect-error a caller of another version
    await assert.rejects(client.call('double', { n: 1, more: true }), { code: 'invalid-argument' })
    await using stranger = new RpcClient(TABLE, {
      address: server.address,
      clusterKey: 'x'.repeat(32),
      unreachable: 'host-unreachable',
    })
    await assert.rejects(stranger.call('double', { n: 1 }), { code: 'unauthenticated' })
    await assert.rejects(stranger.stream({ method: 'PUT', path: '/streams/echo', query: {} }), {
      code: 'unauthenticated',
    })
  })
})

test('nobody there is told as the code that the caller named', async () => {
  await using client = new RpcClient(TABLE, {
    address: 'unix:/nonexistent/s',
    clusterKey,
    unreachable: 'host-unreachable',
  })
  await assert.rejects(client.call('double', { n: 1 }), { code: 'host-unreachable' })
  await assert.rejects(client.upgrade('/streams/raw', {}, 'raw'), { code: 'host-unreachable' })
})

test('there is one client for each address, and all end together', async () => {
  await withServer('http://127.0.0.1:0', async (_client, server) => {
    const clients = new RpcClients(TABLE, { clusterKey, unreachable: 'host-unreachable' })
    const client = clients.at(server.address)
    assert.equal(clients.at(server.address), client)
    assert.notEqual(clients.at('unix:/nonexistent/s'), client)
    assert.deepEqual(await client.call('double', { n: 2 }), { n: 4 })
    await clients[Symbol.asyncDispose]()
    await assert.rejects(client.call('double', { n: 2 }), { code: 'host-unreachable' })
  })
})

test('addresses that are none of ours are refused', () => {
  for (const text of ['', 'unix:relative', 'https://a:1', 'http://a', 'http://a:1/path', 'a:1'])
    assert.throws(() => parseAddress(text), { code: 'invalid-argument' })
  assert.deepEqual(parseAddress('http://[::1]:80'.replace(':80', ':8080')), {
    kind: 'tcp',
    host: '::1',
    port: 8080,
  })
})

test('a call that one replica leaves unanswered is made to the next, which is asked from then on', async () => {
  const { promise: hung, resolve: hang } = Promise.withResolvers<void>()
  const served: string[] = []
  const start = async (name: string, isHanging = false) => {
    const server = await RpcServer.listen({ address: 'http://127.0.0.1:0', clusterKey })
    server.serve(
      { double: TABLE.double },
      {
        double: async ({ n }) => {
          served.push(name)
          if (isHanging) await hung
          return { n: n * 2 }
        },
      },
    )
    return server
  }
  const [first, second, third] = [await start('first', true), await start('second'), await start('third')]
  const address = [first.address, second.address, third.address]
  await using client = new RpcClient(TABLE, { address, clusterKey, unreachable: 'overloaded' })
  await assert.rejects(client.call('double', { n: 1 }, { timeoutMs: 100 }), (error) =>
    isFailure(error, 'timed-out'),
  )
  assert.deepEqual(await client.call('double', { n: 2 }), { n: 4 })
  await second[Symbol.asyncDispose]()
  assert.deepEqual(await client.call('double', { n: 3 }), { n: 6 })
  assert.deepEqual(await client.call('double', { n: 4 }), { n: 8 })
  assert.deepEqual(served, ['first', 'second', 'third', 'third'])
  hang()
  await first[Symbol.asyncDispose]()
  await third[Symbol.asyncDispose]()
  await assert.rejects(client.call('double', { n: 5 }), (error) => isFailure(error, 'overloaded'))
})
