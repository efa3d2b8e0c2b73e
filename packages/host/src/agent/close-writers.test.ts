import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Isolation } from '@holdfast/protocol/sandbox-spec'
import { FaultyObjectStore } from '@holdfast/testkit/faulty-object-store'
import { until } from '@holdfast/testkit/until'
import { makeNoneRuntime } from './agent-for-test.fixture.ts'
import { type AgentForTest, type AgentWish, HostWorld } from './host-world.fixture.ts'

/** Long enough for many rows between the cut of a commit and its end. */
const PUT_MS = 400
const PORT = 8000 + (process.pid % 1000)

/** Leaves the command that started it, ignores what asks it to end, and tells each row that is on disk to who connects. */
const WRITER = `
import os, signal, socket, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
server = socket.create_server(('127.0.0.1', ${PORT}))
if os.fork(): sys.exit()
os.setsid()
if os.fork(): os._exit(0)
for fd in (0, 1, 2): os.dup2(os.open('/dev/null', os.O_RDWR), fd)
client, _ = server.accept()
rows = open('/workspace/rows', 'wb', buffering=0)
row = 0
while True:
    row += 1
    rows.write(b'%d\\n' % row)
    os.fsync(rows.fileno())
    client.sendall(b'%d\\n' % row)
    time.sleep(0.001)
`

/** The last row of which an outside client was told, as it is told. */
async function follow(agent: AgentForTest, workspace: string): Promise<() => number> {
  const { epoch } = await agent.facts()
  const socket = await agent.host.upgrade('/streams/port', { workspace, port: PORT, epoch }, 'holdfast-port')
  let text = ''
  socket.on('data', (bytes: Buffer) => {
    text = (text + bytes.toString()).slice(-64)
  })
  socket.on('error', () => {})
  return () => Number(/(\d+)\n\d*$/.exec(text)?.[1] ?? 0)
}

const PLACES: readonly (AgentWish & { readonly label: string; readonly isolationMin: Isolation })[] = [
  { label: 'runc on btrfs', volume: 'btrfs', isolationMin: 'shared-kernel' },
  { label: 'runc on a plain folder', volume: 'live', isolationMin: 'shared-kernel' },
  { label: 'no isolation', volume: 'live', makeRuntime: makeNoneRuntime, isolationMin: 'none' },
]

for (const { label, isolationMin, ...wish } of PLACES)
  test(`what a program told the world before a stop is kept by the stop (${label})`, {
    timeout: 60_000,
  }, async () => {
    await using world = await HostWorld.make()
    let isSlow = false
    const agent = await world.agent({
      ...wish,
      wrapStore: (store) =>
        new FaultyObjectStore(store, (operation) =>
          isSlow && operation === 'put' ? { kind: 'slow', ms: PUT_MS } : undefined,
        ),
    })
    const spec = { ...agent.order().spec, isolationMin }
    await agent.open({ spec })
    const started = await agent.start(['python3', '-c', WRITER], {}, 10_000)
    assert.equal(started.exec.exitCode, 0)
    const told = await follow(agent, world.workspace)
    await until('it writes', async () => told() > 50)
    isSlow = true
    const before = told()
    const outcome = await agent.close()
    assert.equal(outcome.kind, 'saved')
    await delay(100) // what was told and is still on its way
    const last = told()
    isSlow = false
    assert.ok(last > before, 'it wrote until its end')
    // Elsewhere: what is left of it here is not what was saved.
    const other = await world.agent({ ...wish, name: 'host-b' })
    await other.open({ spec })
    const kept = Number((await other.shell('tail -n 1 /workspace/rows')).text)
    assert.ok(kept >= last, `row ${last} was told, and ${kept} is the last that is kept`)
  })
