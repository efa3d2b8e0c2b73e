import assert from 'node:assert/strict'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { ExecId } from '@holdfast/protocol/identifiers'
import { WebSocket } from 'ws'
import { Installation } from './control.fixture.ts'

interface Told {
  readonly type: string
  readonly id: string | undefined
  readonly document: Record<string, unknown>
}

/** Events of a stream until one fits; the connection is then given up. */
async function follow(
  installation: Installation,
  path: string,
  options: { readonly isLast: (event: Told) => boolean; readonly headers?: Record<string, string> },
): Promise<Told[]> {
  const gone = new AbortController()
  const response = await fetch(`${installation.url}${path}`, {
    headers: {
      authorization: `Bearer ${installation.adminKey}`,
      accept: 'text/event-stream',
      ...options.headers,
    },
    signal: gone.signal,
  })
  assert.equal(response.headers.get('content-type'), 'text/event-stream', `${response.status}`)
  const told: Told[] = []
  let text = ''
  for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += part
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks.filter((lines) => lines.startsWith('event:'))) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]
      told.push({ type: field('event') ?? '', id: field('id'), document: JSON.parse(field('data') ?? '{}') })
    }
    const last = told.at(-1)
    if (last && options.isLast(last)) break
  }
  gone.abort()
  return told
}

test('output is followed as it comes, and taken up behind the last piece', async () => {
  await using installation = await Installation.start()
  const { id } = await installation.workspace()
  const shell = 'for i in 1 2 3; do echo $i; sleep 0.1; done'
  await installation.ask(`POST /v1/workspaces/${id}/execs`, { body: { id: 'count', shell } })
  const path = `/v1/workspaces/${id}/execs/count/output?follow=true`
  const isLast = ({ type }: Told) => type === 'end'
  const all = await follow(installation, path, { isLast })
  const pieces = all.slice(0, -1)
  // What comes at once may come as one piece.
  assert.deepEqual(
    pieces.map(({ id: sequence }) => Number(sequence)),
    pieces.map((_piece, index) => index + 1),
  )
  const text = pieces.map(({ document }) => Buffer.from(String(document.bytes), 'base64').toString()).join('')
  assert.equal(text, '1\n2\n3\n')
  assert.equal(all.at(-1)?.document.exit_code, 0)
  const rest = await follow(installation, path, { isLast, headers: { 'last-event-id': '1' } })
  assert.deepEqual(rest, all.slice(1))
})

test('events are told as they happen, filtered by topic, and replayed behind the last one', async () => {
  await using installation = await Installation.start()
  const [first, second] = [
    await installation.workspace({ name: 'a' }),
    await installation.workspace({ name: 'b' }),
  ]
  const isStopped = ({ document }: Told) => (document.payload as { status?: string }).status === 'stopped'
  const live = follow(installation, `/v1/events?topic=workspace:a&topic=type:workspace_status`, {
    isLast: isStopped,
  })
  await installation.ask(`POST /v1/workspaces/${second.id}/stop?wait=10s`, { body: {} })
  await systemClock.sleep(50)
  await installation.ask(`POST /v1/workspaces/${first.id}/stop?wait=10s`, { body: {} })
  const told = await live
  assert.deepEqual(
    told.map(({ document }) => (document.payload as { status: string }).status),
    ['stopping', 'stopped'],
  )
  assert.ok(told.every(({ document }) => document.workspace_id === first.id))
  const replay = await follow(installation, '/v1/events?topic=workspace:a', {
    isLast: isStopped,
    headers: { 'last-event-id': '0' },
  })
  const ids = replay.map(({ id }) => Number(id))
  assert.deepEqual(
    ids,
    ids.toSorted((a, b) => a - b),
  )
  assert.equal(replay.at(-1)?.id, told.at(-1)?.id)
  const future = await follow(installation, '/v1/events', {
    isLast: () => true,
    headers: { 'last-event-id': '999999' },
  })
  assert.equal(future[0]?.type, 'reset')
})

test('who resumes behind what was removed is told of the gap, then of all that is kept', async () => {
  await using installation = await Installation.start({ eventsKeptMs: 500 })
  const made = await installation.workspace()
  await systemClock.sleep(600)
  await installation.restart() // what is old is looked for at the start
  const removed = () => installation.store.read.events.removedThrough()
  for (let waits = 0; waits < 200 && (await removed()) === 0; waits++) await systemClock.sleep(20)
  const through = await removed()
  assert.ok(through > 0)
  await installation.ask(`PATCH /v1/workspaces/${made.id}`, { body: { name: 'again' } })
  await installation.ask(`POST /v1/workspaces/${made.id}/stop?wait=10s`, { body: {} })
  const isStopped = ({ document }: Told) => (document.payload as { status?: string })?.status === 'stopped'
  const told = await follow(installation, '/v1/events?after=0', { isLast: isStopped })
  assert.deepEqual(told[0], { type: 'gap', id: undefined, document: { after: 0, removed_through: through } })
  assert.equal(told.filter(({ type }) => type === 'gap').length, 1)
  const early = told.filter(({ id }) => id !== undefined && Number(id) <= through)
  assert.ok(early.length > 0 && early.every(({ type }) => type === 'audit'), 'the audit is kept')
  const behind = await follow(installation, `/v1/events?after=${through}`, { isLast: isStopped })
  assert.ok(behind.every(({ type }) => type !== 'gap'))
  assert.equal((await installation.ask('GET /v1/audit/verify')).body.broken_at ?? null, null)
})

test('audit rows are told only to keys that may read the audit', async () => {
  await using installation = await Installation.start()
  const made = await installation.ask('POST /v1/keys', { body: { name: 'r', scopes: ['workspace:read'] } })
  const key = made.body.secret
  await installation.workspace({ name: 'a' })
  const headers = { authorization: `Bearer ${key}` }
  const isIdle = ({ document }: Told) => (document.payload as { status?: string })?.status === 'idle'
  const told = await follow(installation, '/v1/events?after=0', { isLast: isIdle, headers })
  assert.ok(told.length > 1 && told.every(({ type }) => type === 'activity'))
  assert.equal((await installation.ask('GET /v1/audit', { key })).status, 403)
  const audit = await installation.ask('GET /v1/audit')
  const types = audit.body.items.map(({ type }: { type: string }) => type)
  assert.ok(types.includes('workspace_create') && types.includes('key_create'))
  assert.equal((await installation.ask('GET /v1/audit/verify')).body.outcome, 'whole')
})

test('a terminal is attached through the control plane, also with the key as a subprotocol', async () => {
  await using installation = await Installation.start()
  const { id } = await installation.workspace()
  await installation.ask(`POST /v1/workspaces/${id}/execs`, {
    body: { id: 'cat', argv: ['cat'], stdin: true },
  })
  const url = `${installation.url.replace('http', 'ws')}/v1/workspaces/${id}/execs/cat/attach`
  const refused = new WebSocket(url, { headers: { authorization: 'Bearer none' } })
  const [error] = await once(refused, 'error')
  assert.match(String(error), /401/)
  const socket = new WebSocket(url, ['holdfast', `holdfast-key.${installation.adminKey}`])
  await once(socket, 'open')
  assert.equal(socket.protocol, 'holdfast')
  socket.send(Buffer.from('hello'))
  const [bytes] = await once(socket, 'message')
  assert.equal(String(bytes), 'hello')
  socket.send(JSON.stringify({ kind: 'end-of-input' }))
  await once(socket, 'close')
  const ended = await installation.ask(`GET /v1/workspaces/${id}/execs/cat?wait=5s`)
  assert.equal(ended.body.exit_code, 0)
})

test('a terminal that the host refuses is refused as the host says', async () => {
  await using installation = await Installation.start()
  const { id } = await installation.workspace()
  await installation.ask(`POST /v1/workspaces/${id}/execs`, { body: { id: 'cat', argv: ['cat'] } })
  installation.host.find(id).execs.forget(ExecId.parse('cat'))
  const url = `${installation.url.replace('http', 'ws')}/v1/workspaces/${id}/execs/cat/attach`
  const refused = new WebSocket(url, { headers: { authorization: `Bearer ${installation.adminKey}` } })
  const [, response] = await once(refused, 'unexpected-response')
  assert.equal(response.statusCode, 404)
  assert.match(await text(response), /"not_found".*no command cat/)
})

test('files are written, read, listed, searched, moved and removed, and wake a stopped workspace', async () => {
  await using installation = await Installation.start()
  const { id } = await installation.workspace()
  const headers = { authorization: `Bearer ${installation.adminKey}` }
  const base = `/v1/workspaces/${id}/files`
  const big = Buffer.alloc(3 << 20, 'x')
  const wanted = `${installation.url}${base}/big.txt?mode=${0o640}`
  const put = await fetch(wanted, { method: 'PUT', headers, body: big })
  assert.equal(put.status, 200)
  const { bytes, mode } = (await put.json()) as { bytes: number; mode: number }
  assert.deepEqual([bytes, mode], [big.length, 0o640])
  const got = await fetch(`${installation.url}${base}/big.txt`, { headers })
  assert.ok(Buffer.from(await got.arrayBuffer()).equals(big))
  await installation.ask(`POST ${base}/mkdir`, { body: { path: 'd/e' } })
  const moved = await installation.ask(`POST ${base}/move`, { body: { from: 'big.txt', to: 'd/e/big.txt' } })
  assert.equal(moved.body.path, 'd/e/big.txt')
  const listed = await installation.ask(`GET ${base}?list=&depth=3`)
  assert.deepEqual(
    listed.body.items.map(({ path }: { path: string }) => path),
    ['d', 'd/e', 'd/e/big.txt'],
  )
  assert.deepEqual((await installation.ask(`GET ${base}?find=**/*.txt`)).body.items, ['d/e/big.txt'])
  assert.equal((await installation.ask(`GET ${base}?stat=&path=d`)).body.kind, 'directory')
  assert.equal((await installation.ask(`GET ${base}/none`)).status, 404)
  await installation.ask(`POST /v1/workspaces/${id}/stop?wait=10s`, { body: {} })
  assert.equal((await installation.ask(`DELETE ${base}/d?recursive=true`)).status, 204)
  assert.equal((await installation.ask(`GET /v1/workspaces/${id}`)).body.epoch, 2)
  const watched = await follow(installation, `${base}/watch`, { isLast: () => true })
  assert.deepEqual(watched[0]?.document, { kind: 'created', path: 'a' })
  assert.deepEqual(installation.defects, [])
})

test('commands take input and signals, are listed, refused, deleted, and never run twice', async () => {
  await using installation = await Installation.start()
  const { id } = await installation.workspace()
  const base = `/v1/workspaces/${id}/execs`
  await installation.ask(`POST ${base}`, { body: { id: 'cat', argv: ['cat'], stdin: true } })
  const again = await installation.ask(`POST ${base}`, { body: { id: 'cat', argv: ['cat'], stdin: true } })
  assert.equal(again.body.exec.id, 'cat')
  const other = await installation.ask(`POST ${base}`, { body: { id: 'cat', argv: ['ls'] } })
  assert.equal(other.body.error.code, 'already_exists')
  assert.equal(installation.host.find(id).execs.started, 1)
  const bytes = Buffer.from('in').toString('base64')
  await installation.ask(`POST ${base}/cat/stdin`, { body: { bytes, is_end: true } })
  assert.equal((await installation.ask(`GET ${base}/cat?wait=5s`)).body.status, 'exited')
  await installation.ask(`POST ${base}`, { body: { id: 'sleep', argv: ['sleep', '60'] } })
  assert.equal(
    (await installation.ask(`POST ${base}/sleep/signal`, { body: { signal: 'SIGKILL' } })).status,
    200,
  )
  const killed = await installation.ask(`GET ${base}/sleep?wait=5s`)
  assert.deepEqual([killed.body.status, killed.body.signal], ['killed', 'SIGKILL'])
  const missing = await installation.ask(`POST ${base}`, { body: { id: 'm', argv: ['/missing'] } })
  assert.equal(missing.body.error.code, 'exec_failed')
  assert.equal((await installation.ask(`GET ${base}/m`)).status, 404)
  const listed = await installation.ask(`GET ${base}`)
  assert.deepEqual(
    listed.body.items.map((exec: { id: string }) => exec.id),
    ['sleep', 'cat'],
  )
  assert.equal((await installation.ask(`DELETE ${base}/cat`)).status, 204)
  assert.equal((await installation.ask(`GET ${base}/cat`)).status, 404)
  const audit = await installation.ask('GET /v1/audit')
  assert.equal(audit.body.items.filter(({ type }: { type: string }) => type === 'exec').length, 3)
})
