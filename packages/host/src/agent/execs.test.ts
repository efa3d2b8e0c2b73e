import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { ExecRequest, type OutputEvent } from '@holdfast/protocol/exec'
import { ExecId } from '@holdfast/protocol/identifiers'
import { until } from '@holdfast/testkit/until'
import WebSocket from 'ws'
import { type AgentForTest, HostWorld } from './host-world.fixture.ts'

test('an id is never run twice, also by a later incarnation', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  await agent.open()
  const id = ExecId.parse('once')
  const argv = ['sh', '-c', 'echo ran >> log; cat log']
  const both = await Promise.all([agent.start(argv, {}, 5000, id), agent.start(argv, {}, 5000, id)])
  assert.deepEqual(both[0], both[1])
  await agent.close()
  assert.equal((await agent.start(argv, {}, 5000, id)).exec.exitCode, 0, 'answered while nothing runs')
  await agent.open()
  const third = await agent.start(argv, {}, 5000, id)
  assert.deepEqual(third, both[0])
  assert.equal((await agent.shell('cat log')).text, 'ran\n')
  await until(
    'its end is reported once',
    () => world.reports.filter(({ exec }) => exec.id === id).length === 1,
  )
})

test('what was meant for an earlier run does not reach this one', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  await agent.open()
  const earlier = await agent.run()
  await agent.close()
  await agent.open()
  const request = ExecRequest.parse({ argv: ['touch', 'twice'] })
  const order = { ...earlier, exec: world.nextExec(), request, waitMs: 5000, outputBytesMax: 0 }
  const isUnknown = (error: unknown) => isFailure(error, 'outcome-unknown')
  await assert.rejects(agent.host.call('startExec', order), isUnknown)
  await assert.rejects(agent.host.call('sync', earlier), isUnknown)
  await assert.rejects(
    agent.host.call('checkpoint', { ...earlier, message: '', until: 'durable' }),
    isUnknown,
  )
  assert.equal((await agent.shell('ls')).text, '')
})

test('a command that cannot run is refused, and its id stays free', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  await agent.open()
  const id = ExecId.parse('maybe')
  await assert.rejects(agent.start(['/no/such/program'], {}, 0, id), (error) =>
    isFailure(error, 'exec-failed'),
  )
  assert.equal((await agent.start(['true'], {}, 5000, id)).exec.exitCode, 0)
})

test('ends are told apart: exit, signal, timeout, stop', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  await agent.open()
  const { workspace } = world
  const exit = await agent.shell('exit 3')
  assert.deepEqual([exit.state.status, exit.state.exitCode], ['exited', 3])
  const slow = await agent.start(['sleep', '60'], { timeoutMs: 100 }, 10_000)
  assert.deepEqual([slow.exec.status, slow.exec.signal], ['timed_out', 'SIGTERM'])
  const signaled = await agent.start(['sleep', '60'])
  await agent.host.call('signalExec', { workspace, exec: signaled.exec.id, signal: 'SIGINT' })
  const state = { workspace, exec: signaled.exec.id, waitMs: 10_000 }
  const ended = await agent.host.call('execState', state)
  assert.deepEqual([ended.status, ended.reason, ended.signal], ['killed', 'signal', 'SIGINT'])
  const stubborn = await agent.start(['sh', '-c', 'trap "" TERM; sleep 60 & wait; sleep 60'])
  const deleted = await agent.host.call('deleteExec', { workspace, exec: stubborn.exec.id, graceMs: 100 })
  assert.deepEqual([deleted.status, deleted.signal], ['killed', 'SIGKILL'])
  const left = await agent.start(['sleep', '60'])
  await agent.close()
  const stopped = await agent.host.call('execState', { workspace, exec: left.exec.id, waitMs: 0 })
  assert.deepEqual([stopped.status, stopped.reason], ['killed', 'stop'])
})

test('input reaches a command, and its output is followed to the end', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  await agent.open()
  const { exec } = await agent.start(['cat'], { stdin: true })
  const events = outputOf(world, agent, exec.id, { follow: 'true' })
  const { workspace } = world
  const order = { workspace, exec: exec.id, bytes: Buffer.from('hello\n').toString('base64') }
  await agent.host.call('execInput', { ...order, isEnd: false })
  await agent.host.call('execInput', { ...order, isEnd: true })
  const found = await events
  assert.equal(textOf(found), 'hello\nhello\n')
  assert.equal(found.at(-1)?.kind, 'end')
})

test('what the ring dropped shows as a gap, and no number comes twice', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent({ ringBytesMax: 256 * 1024 })
  await agent.open()
  const { state } = await agent.shell(
    'i=0; while [ $i -lt 40 ]; do head -c 32768 /dev/zero; i=$((i+1)); done',
  )
  assert.equal(state.exitCode, 0)
  const events = await outputOf(world, agent, state.id, {})
  const [first] = events
  assert.equal(first?.kind, 'gap')
  const sequences = events.flatMap((event) => (event.kind === 'chunk' ? [event.chunk.sequence] : []))
  const from = first?.kind === 'gap' ? first.toSequence + 1 : 0
  assert.deepEqual(
    sequences,
    sequences.map((_, index) => from + index),
  )
  assert.equal(sequences.at(-1), state.lastSequence)
  const bytes = events.reduce(
    (sum, event) => sum + (event.kind === 'chunk' ? event.chunk.bytes.length : 0),
    0,
  )
  assert.ok(bytes * 0.75 <= 1.5 * 256 * 1024 && bytes * 0.75 >= 128 * 1024, String(bytes))
  const later = await outputOf(world, agent, state.id, { after: String(state.lastSequence - 1) })
  assert.deepEqual(
    later.map(({ kind }) => kind),
    ['chunk', 'end'],
  )
})

test('a terminal is attached, resized, and ends', { timeout: 60_000 }, async () => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  await agent.open()
  const { exec } = await agent.start(['sh'], { stdin: true, terminal: { columns: 80, rows: 24 } })
  const query = new URLSearchParams({ workspace: world.workspace, exec: exec.id })
  const client = new WebSocket(`ws+unix:${agent.address.slice(5)}:/streams/exec-attach?${query}`, {
    headers: { authorization: 'Bearer the-key-of-these-tests' },
  })
  let text = ''
  const ends: OutputEvent[] = []
  client.on('message', (frame, isBinary) => {
    if (isBinary) text += String(frame)
    else ends.push(JSON.parse(String(frame)))
  })
  await once(client, 'open')
  client.send(JSON.stringify({ kind: 'resize', columns: 101, rows: 7 }))
  client.send(Buffer.from('stty size; exit 4\n'))
  await once(client, 'close')
  assert.match(text, /7 101/)
  const [end] = ends
  assert.equal(end?.kind === 'end' && end.exec.exitCode, 4)
})

test('a quick command costs little', { timeout: 60_000 }, async (t) => {
  await using world = await HostWorld.make()
  const agent = await world.agent()
  await agent.open()
  const tookMs: number[] = []
  for (let i = 0; i < 200; i++) {
    const beganAt = performance.now()
    const { exec } = await agent.start(['true'], {}, 5000)
    tookMs.push(performance.now() - beganAt)
    assert.equal(exec.exitCode, 0)
  }
  tookMs.sort((a, b) => a - b)
  t.diagnostic(`true: p50 ${tookMs[100]?.toFixed(2)} ms, p95 ${tookMs[190]?.toFixed(2)} ms over the socket`)
})

async function outputOf(
  world: HostWorld,
  agent: AgentForTest,
  exec: string,
  query: Record<string, string>,
): Promise<OutputEvent[]> {
  const asked = { workspace: world.workspace, exec, ...query }
  const response = await agent.host.stream({ method: 'GET', path: '/streams/exec-output', query: asked })
  const lines = (await response.body.text()).split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line))
}

function textOf(events: readonly OutputEvent[]): string {
  return events
    .map((event) => (event.kind === 'chunk' ? Buffer.from(event.chunk.bytes, 'base64').toString() : ''))
    .join('')
}
