import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Installation } from '@holdfast/control/control.fixture'
import { ErrorBody } from '@holdfast/protocol/rest/ground'

const LIMITS = { timeout: 60_000 }
const SLOW_CLIENTS = 200

function opened({ url }: Installation, text: string): { socket: Socket; answer: Promise<string> } {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  socket.write(text)
  let said = ''
  socket.on('data', (part) => {
    said += part
  })
  return { socket, answer: new Promise((resolve) => socket.on('close', () => resolve(said))) }
}

function assertRefusal(answer: string, status: number, code: string): void {
  assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), answer)
  const { error } = ErrorBody.parse(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)))
  assert.equal(error.code, code)
}

const HEAD = 'GET /v1/workspaces HTTP/1.1\r\nhost: 127.0.0.1\r\n'

test(
  'what is no request, or one with too much head, is refused in the shape of every refusal',
  LIMITS,
  async () => {
    await using installation = await Installation.start({}, 0)
    const cases: readonly (readonly [text: string, status: number, code: string])[] = [
      ['nonsense\r\n\r\n', 400, 'invalid_argument'],
      [`${HEAD}x: ${'a'.repeat(20_000)}\r\n\r\n`, 413, 'too_large'],
      [`${HEAD}${'x: a\r\n'.repeat(10_000)}\r\n`, 413, 'too_large'],
      [
        `GET /v1/workspaces?cursor=${'a'.repeat(9000)} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`,
        413,
        'too_large',
      ],
      ['GET /v1/workspaces HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n', 421, 'misdirected'],
      [`${HEAD}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n`, 400, 'invalid_argument'],
    ]
    for (const [text, status, code] of cases)
      assertRefusal(await opened(installation, text).answer, status, code)
    assert.deepEqual(installation.defects, [])
  },
)

test('addresses that are none, and hosts that are none, end no process', LIMITS, async () => {
  await using installation = await Installation.start({}, 0)
  for (const path of ['//', '*', 'http://', '/%zz', '/v1/workspaces/%', '///v1', 'http://[', '/\\..\\'])
    for (const host of ['127.0.0.1', 'a b', '[', '', '127.0.0.1:99999', '@'])
      for (const upgrade of ['', 'connection: upgrade\r\nupgrade: websocket\r\n']) {
        const close = upgrade === '' ? 'connection: close\r\n' : upgrade
        const { answer } = opened(installation, `GET ${path} HTTP/1.1\r\nhost: ${host}\r\n${close}\r\n`)
        assert.match(await answer, /^HTTP\/1.1 4\d\d /, `${path} of ${host}`)
      }
  assert.equal((await installation.ask('GET /healthz', { key: null })).status, 200)
})

test('clients that send their request bit by bit are cut off, and hold up nobody', LIMITS, async () => {
  await using installation = await Installation.start()
  const heads = Array.from({ length: SLOW_CLIENTS }, () => opened(installation, HEAD))
  const authorization = `authorization: Bearer ${installation.adminKey}\r\ncontent-type: application/json\r\n`
  const post = `POST /v1/workspaces HTTP/1.1\r\nhost: 127.0.0.1\r\n${authorization}content-length: 1000\r\n\r\n{`
  const bodies = Array.from({ length: 20 }, () => opened(installation, post))
  const trickle = setInterval(() => {
    for (const { socket } of heads) socket.write('x: y\r\n')
    for (const { socket } of bodies) socket.write(' ')
  }, 1000)
  try {
    for (let asked = 0; asked < 10; asked++) {
      const begunMs = performance.now()
      assert.equal((await installation.ask('GET /v1/workspaces')).status, 200)
      assert.ok(performance.now() - begunMs < 10_000)
      await delay(100)
    }
    const begunMs = performance.now()
    const answers = await Promise.all(
      [...heads, ...bodies].map(({ answer, socket }) => {
        socket.on('data', () => socket.end())
        return answer
      }),
    )
    assert.ok(performance.now() - begunMs < 15_000)
    for (const answer of answers) assertRefusal(answer, 400, 'invalid_argument')
  } finally {
    clearInterval(trickle)
    for (const { socket } of [...heads, ...bodies]) socket.destroy()
  }
})

test(
  'more requests than there is room for are refused at once, and told when to come again',
  LIMITS,
  async () => {
    const limits = { requestsMax: 8, requestsOfKeyMax: 4, streamsMax: 4, streamsOfKeyMax: 2 }
    await using installation = await Installation.start({ limits })
    const { id } = await installation.workspace()
    const run = { body: { argv: ['sleep', '1'] } }
    const begunMs = performance.now()
    const replies = await Promise.all(
      Array.from({ length: 60 }, () => installation.ask(`POST /v1/workspaces/${id}/execs?wait=5s`, run)),
    )
    const refused = replies.filter(({ status }) => status === 429 || status === 503)
    assert.equal(refused.length + replies.filter(({ status }) => status === 201).length, 60)
    assert.ok(refused.length >= 50)
    for (const { headers, body } of refused) {
      assert.match(headers.get('retry-after') ?? '', /^\d+$/)
      assert.equal(ErrorBody.parse(body).error.retryable, true)
    }
    assert.ok(performance.now() - begunMs < 10_000)
    assert.equal((await installation.ask('GET /v1/workspaces')).status, 200)
  },
)
