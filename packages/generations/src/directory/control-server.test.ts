import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { Failure, isFailure } from '@holdfast/base/failure'
import { callWatcher } from './control-client.ts'
import { LINE_BYTES_MAX } from './control-protocol.ts'
import { type Controlled, ControlServer } from './control-server.ts'
import type { CommitAnswer } from './watch-requests.ts'
import type { WatchStatus } from './watch-status.ts'

const COMMITTED: CommitAnswer = {
  kind: 'committed',
  generation: 'ab'.repeat(32),
  sequence: 7,
  newBytes: 100,
  newObjects: 1,
}
const STATUS: WatchStatus = {
  state: 'watching',
  path: '/somewhere',
  volume: 'live',
  consistency: 'cut',
  head: null,
  sequence: 0,
  lastCommittedAt: null,
  rpoMs: 1000,
  lagMs: 1,
  pending: true,
  frozenMs: 0,
  frozenMsP95: 0,
  scanMs: 0,
  lastFailure: null,
  commandPid: null,
  maintenance: { lastCompactedAt: null, lastCollectedAt: null, lastDrill: null, lastFailure: null },
}
const PATIENT_LINES = 200

let folder: string
const controlled = (over: Partial<Controlled> = {}): Controlled => ({
  sync: async () => COMMITTED,
  checkpoint: async () => COMMITTED,
  status: () => STATUS,
  stop: () => {},
  ...over,
})

/** Sends text and resolves with all that comes until the other side closes. */
function send(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(join(folder, 'control.sock'))
    let answer = ''
    socket.on('connect', () => socket.write(text))
    socket.on('data', (bytes) => {
      answer += bytes.toString()
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', (error) =>
      'code' in error && error.code === 'ENOENT' ? reject(error) : resolve(answer),
    )
  })
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-control-'))
})

afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

test('each request is answered with what it asks for, and a failure arrives as the failure that it was', async () => {
  const messages: string[] = []
  await using server = await ControlServer.listen(folder)
  server.serve(
    controlled({
      checkpoint: async (message) => {
        messages.push(message)
        throw new Failure('store-full', 'no space', { free: 0 })
      },
    }),
  )
  assert.deepEqual(await callWatcher(folder, { request: 'sync' }), COMMITTED)
  assert.deepEqual(await callWatcher(folder, { request: 'status' }), STATUS)
  assert.deepEqual(await callWatcher(folder, { request: 'stop' }), { stopping: true })
  const message = 'two\nlines, ü'
  await assert.rejects(
    callWatcher(folder, { request: 'checkpoint', message }),
    (error) => isFailure(error, 'store-full') && error.message === 'no space' && error.details.free === 0,
  )
  assert.deepEqual(messages, [message])
})

test('the socket is its owner’s alone', async () => {
  await using _server = await ControlServer.listen(folder)
  assert.equal(statSync(join(folder, 'control.sock')).mode & 0o777, 0o600)
})

test('a request that comes before the watch is ready waits for it', async () => {
  await using server = await ControlServer.listen(folder)
  const answer = callWatcher(folder, { request: 'status' })
  server.serve(controlled())
  assert.equal((await answer).state, 'watching')
})

test('without a watch a caller is told that none runs, whether or not a file is left', async () => {
  const refused = { code: 'not-found' }
  await assert.rejects(callWatcher(folder, { request: 'sync' }), refused)
  writeFileSync(join(folder, 'control.sock'), '')
  await assert.rejects(callWatcher(folder, { request: 'sync' }), refused)
  await assert.rejects(callWatcher(join(folder, 'none'), { request: 'sync' }), refused)
  await using server = await ControlServer.listen(folder)
  server.serve(controlled())
  assert.equal((await callWatcher(folder, { request: 'status' })).state, 'watching')
})

test('a caller whose watch ends before it answers learns that the outcome is unknown', async () => {
  const server = await ControlServer.listen(folder)
  const answer = callWatcher(folder, { request: 'sync' })
  const rejected = assert.rejects(answer, (error) => isFailure(error, 'outcome-unknown', 'invalid-argument'))
  await new Promise((resolve) => setTimeout(resolve, 20))
  await server[Symbol.asyncDispose]()
  await rejected
})

test('the last answers are sent before the socket closes', async () => {
  const held = Promise.withResolvers<CommitAnswer>()
  const server = await ControlServer.listen(folder)
  server.serve(controlled({ sync: () => held.promise }))
  const answer = callWatcher(folder, { request: 'sync' })
  await new Promise((resolve) => setTimeout(resolve, 20))
  held.resolve(COMMITTED)
  await server[Symbol.asyncDispose]()
  assert.deepEqual(await answer, COMMITTED)
})

test('a folder whose path is longer than a socket address works all the same', async () => {
  const base = folder
  folder = join(folder, 'x'.repeat(120))
  mkdirSync(folder)
  try {
    await using server = await ControlServer.listen(folder)
    server.serve(controlled())
    assert.equal((await callWatcher(folder, { request: 'status' })).path, '/somewhere')
  } finally {
    folder = base
  }
})

test('a line without end, and a client that never reads its answers, are cut off', async () => {
  const held = Promise.withResolvers<CommitAnswer>()
  await using server = await ControlServer.listen(folder)
  server.serve(controlled({ sync: () => held.promise }))
  assert.match(await send('x'.repeat(LINE_BYTES_MAX + 2)), /invalid-argument/)
  await send('{"request":"sync"}\n'.repeat(PATIENT_LINES))
  assert.equal((await callWatcher(folder, { request: 'status' })).state, 'watching')
  held.resolve(COMMITTED)
})

test('what is no request is answered with a failure, and the connection goes on', async () => {
  await using server = await ControlServer.listen(folder)
  server.serve(controlled())
  const lines = [
    '{',
    '[]',
    'null',
    '{"request":"destroy"}',
    '{"request":"checkpoint"}',
    '{"request":"status"}',
  ]
  const socket = connect(join(folder, 'control.sock'))
  socket.write(`${lines.join('\n')}\n`)
  let text = ''
  for await (const bytes of socket) {
    text += String(bytes)
    if (text.split('\n').length > lines.length) break
  }
  const codes = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).failure?.code ?? 'answered')
  assert.deepEqual(codes, [...lines.slice(1).map(() => 'invalid-argument'), 'answered'])
})
