import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { describe, test } from 'node:test'
import { type ApiFault, startApiDouble } from '@holdfast/testkit/api-double'
import { platformGround } from './client-ground.ts'
import { holdfastOfEnvironment } from './environment.ts'
import { Holdfast } from './holdfast.ts'
import { HoldfastError } from './holdfast-error.ts'
import { SocketBytes } from './socket-bytes.ts'

/** The first `times` requests whose line ends so go wrong. */
const firstOf = (end: string, times: number, fault: ApiFault) => (line: string, n: number) =>
  line.endsWith(end) && n <= times ? fault : undefined

describe('a request that goes wrong', () => {
  test('is repeated with its key, so that its effect is one', async () => {
    await using double = await startApiDouble(
      firstOf('POST /v1/workspaces', 2, { kind: 'cut', when: 'after' }),
    )
    await new Holdfast(double).create({})
    assert.equal(double.workspaces.size, 1)
    assert.equal(double.requests.filter((line) => line === 'POST /v1/workspaces').length, 3)
  })

  test('is repeated when the server asks to wait, after that long', async () => {
    const fault = { kind: 'refuse', code: 'too-many-requests', retryAfterSeconds: 1 } as const
    await using double = await startApiDouble(firstOf('GET /v1/hosts', 1, fault))
    const waits: number[] = []
    const sleep = async (ms: number) => void waits.push(ms)
    const holdfast = new Holdfast({ ...urlOf(double), ground: { ...platformGround, sleep, random: () => 0 } })
    for await (const host of holdfast.platform.hosts()) assert.equal(host.name, 'double')
    assert.deepEqual(waits, [1050])
  })

  test('is given up in the end, with what the server said', async () => {
    const fault = { kind: 'refuse', code: 'overloaded' } as const
    await using double = await startApiDouble(firstOf('GET /v1/workspaces/box', 9, fault))
    const holdfast = new Holdfast({ ...urlOf(double), retry: { attemptsMax: 2, baseMs: 1 } })
    await assert.rejects(holdfast.connect('box'), {
      code: 'overloaded',
      status: 503,
      retryable: true,
      requestId: 'req_double',
    })
    assert.equal(double.requests.length, 2)
  })

  test('is not repeated when it was refused, nor when its body was a stream', async () => {
    await using double = await startApiDouble(firstOf('/files/a', 1, { kind: 'cut', when: 'before' }))
    const holdfast = new Holdfast(double)
    const workspace = await holdfast.create({ name: 'box' })
    await assert.rejects(workspace.files.write('a', ReadableStream.from([new Uint8Array(9)])), {
      code: 'server-unreachable',
    })
    await assert.rejects(holdfast.connect('other'), { code: 'not-found', retryable: false })
    assert.equal(double.requests.filter((line) => line.endsWith('/other')).length, 1)
  })

  test('is no sync of what was lost before it came: it is refused once, and then of what was recovered', async () => {
    await using double = await startApiDouble()
    const workspace = await new Holdfast(double).create({ name: 'box' })
    for (const request of [() => workspace.sync(), () => workspace.checkpoints.create()]) {
      double.workspaces.get(workspace.id)?.recover()
      await assert.rejects(request(), { code: 'lease-lost', retryable: false })
      assert.ok((await request()).isNew)
    }
    assert.equal(workspace.state.epoch, 3)
  })

  test('ends at once when its signal is raised', async () => {
    const fault = { kind: 'refuse', code: 'overloaded', retryAfterSeconds: 30 } as const
    await using double = await startApiDouble(firstOf('/box', 9, fault))
    const signal = AbortSignal.timeout(100)
    await assert.rejects(new Holdfast(double).connect('box', { signal }), { name: 'TimeoutError' })
  })
})

test('output goes on where a lost connection broke it off, each piece once', async () => {
  const plan = (line: string, n: number): ApiFault | undefined =>
    line.endsWith('/output') && n <= 3 ? { kind: 'cut-stream', afterBytes: 300 } : undefined
  await using double = await startApiDouble(plan)
  const workspace = await new Holdfast(double).create({})
  const line = 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do echo "line $i"; sleep 0.02; done'
  const { stdout, isOutputWhole } = await workspace.exec(line, { onStdout: () => {} })
  assert.equal(stdout, Array.from({ length: 15 }, (_each, index) => `line ${index + 1}\n`).join(''))
  assert.equal(isOutputWhole, true)
  assert.equal(double.requests.filter((each) => each.endsWith('/output')).length, 4)
})

test('a stream that never brings anything is given up', async () => {
  await using double = await startApiDouble((line) =>
    line.endsWith('/output') ? { kind: 'cut', when: 'before' } : undefined,
  )
  const ground = { ...platformGround, sleep: async () => {} }
  const workspace = await new Holdfast({ ...urlOf(double), ground }).create({})
  await assert.rejects(workspace.exec('sleep 0.3', { onStdout: () => {} }), { code: 'server-unreachable' })
})

test('a stream with nothing to tell is followed as long as it says so', async () => {
  let connections = 0
  const quiet = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const isLast = ++connections === 20
    response.end(isLast ? 'id: 1\nevent: fork\ndata: {"id":1,"type":"fork"}\n\n' : ': here\n\n')
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => quiet.once('listening', resolve))
  const address = quiet.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const ground = { ...platformGround, sleep: async () => {} }
  for await (const each of new Holdfast({ url, apiKey: 'x', ground }).events()) {
    assert.ok(each.kind === 'event' && each.event.type === 'fork')
    break
  }
  assert.equal(connections, 20)
  quiet.closeAllConnections()
  quiet.close()
})

test('who does not answer is named, and what answers otherwise is told by its status', async () => {
  const silent = new Holdfast({ url: 'http://127.0.0.1:2', apiKey: 'x', retry: { attemptsMax: 1 } })
  await assert.rejects(silent.connect('box'), /127\.0\.0\.1:2 does not answer: .*ECONNREFUSED/)
  await using double = await startApiDouble()
  await assert.rejects(new Holdfast({ url: double.url, apiKey: 'wrong' }).connect('box'), {
    code: 'unauthenticated',
  })
  const proxy = createServer((_request, response) => response.writeHead(502).end('<html>')).listen(
    0,
    '127.0.0.1',
  )
  await new Promise((resolve) => proxy.once('listening', resolve))
  const address = proxy.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const behind = new Holdfast({ url, apiKey: 'x', retry: { attemptsMax: 1 } })
  await assert.rejects(behind.connect('box'), { code: 'server-unreachable', status: 502 })
  proxy.close()
})

test('the environment names the server, and what it lacks is said', async () => {
  await using double = await startApiDouble()
  const named = holdfastOfEnvironment({ HOLDFAST_URL: double.url, HOLDFAST_API_KEY: double.apiKey })
  assert.equal((await named.create({ name: 'box' })).name, 'box')
  assert.throws(() => holdfastOfEnvironment({}), { code: 'server-unreachable' })
  assert.throws(() => holdfastOfEnvironment({ HOLDFAST_URL: 'x' }), { code: 'unauthenticated' })
})

test('a workspace that goes out of scope lives on', async () => {
  await using double = await startApiDouble()
  {
    await using workspace = await new Holdfast(double).create({ name: 'box' })
    assert.equal(workspace.status, 'idle')
  }
  assert.equal((await new Holdfast(double).connect('box')).status, 'idle')
})

test('a port where nothing listens says so', async () => {
  await using double = await startApiDouble()
  const workspace = await new Holdfast(double).create({})
  const connection = workspace.connectPort(9)
  assert.ok(connection instanceof SocketBytes)
  const read = async () => {
    for await (const _bytes of connection);
  }
  await assert.rejects(read(), (error) => error instanceof HoldfastError && error.code === 'port-unreachable')
})

function urlOf({ url, apiKey }: { readonly url: string; readonly apiKey: string }) {
  return { url, apiKey }
}
