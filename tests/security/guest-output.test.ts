import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { CLUSTER_KEY } from '@holdfast/host/agent/agent-for-test.fixture'
import WebSocket from 'ws'
import { HostileGround, residentBytes } from './hostile-guest.fixture.ts'

const LIMITS = { timeout: 60_000 }
const FLOOD_MS = 5000
const GROWTH_BYTES_MAX = 200 << 20

/** The most memory that a process has while something lasts. */
async function peakBytes(pid: number, lastsMs: number): Promise<number> {
  let peak = 0
  for (const untilMs = performance.now() + lastsMs; performance.now() < untilMs; await delay(50))
    peak = Math.max(peak, residentBytes(pid))
  return peak
}

const FLOODS: readonly (readonly [what: string, argv: readonly string[]])[] = [
  ['a gigabyte a second', ['cat', '/dev/zero']],
  ['an endless line', ['sh', '-c', 'yes | tr -d "\\n"']],
  ['lines without end on both streams', ['sh', '-c', 'yes & yes >&2']],
  ['single bytes', ['python3', '-u', '-c', 'import os\nwhile True: os.write(1, b"x")']],
]

for (const [what, argv] of FLOODS)
  test(`${what} of output leaves the host’s memory bounded, read by nobody or slowly`, LIMITS, async () => {
    await using ground = await HostileGround.openApart()
    const { agent, agentPid, world } = ground
    const before = residentBytes(agentPid)
    const flood = await agent.start(argv)
    const names = { workspace: world.workspace, exec: flood.exec.id }
    const query = { ...names, after: 0, follow: 'true' }
    // One that reads nothing, one that takes what comes, and a terminal that reads nothing.
    const deaf = await agent.host.stream({ method: 'GET', path: '/streams/exec-output', query })
    const reader = await agent.host.stream({ method: 'GET', path: '/streams/exec-output', query })
    const read = reader.body.dump({ limit: Number.MAX_SAFE_INTEGER }).catch(() => {})
    const socket = agent.address.slice('unix:'.length)
    const attached = new WebSocket(`ws+unix:${socket}:/streams/exec-attach?${new URLSearchParams(names)}`, {
      headers: { authorization: `Bearer ${CLUSTER_KEY}` },
    })
    await once(attached, 'open')
    attached.pause()
    const peak = await peakBytes(agentPid, FLOOD_MS)
    assert.ok(peak - before < GROWTH_BYTES_MAX, `${(peak - before) >> 20} MiB more`)
    const begunMs = performance.now()
    assert.equal((await agent.shell('echo here')).text, 'here\n')
    assert.ok(performance.now() - begunMs < 5000, 'it still answers')
    await agent.host.call('deleteExec', { ...names, graceMs: 0 })
    attached.terminate()
    deaf.body.destroy()
    reader.body.destroy()
    await read
  })

test('answers of file calls that a guest makes huge leave the host’s memory bounded', LIMITS, async () => {
  await using ground = await HostileGround.openApart()
  const { agent, agentPid, world } = ground
  const { workspace } = world
  await agent.shell(
    'mkdir many; cd many; seq 20000 | sed "s/^/$(printf %0200d 7)/" | xargs touch; yes | head -c 60000000 > ../y',
  )
  const before = residentBytes(agentPid)
  const calls = Array.from({ length: 4 }, () => [
    agent.files.call('listFiles', { workspace, path: 'many', depth: 1, limit: 100 }),
    agent.files.call('grepFiles', { workspace, path: 'y', pattern: 'y', isRegex: false, limit: 10 }),
  ]).flat()
  const answers = Promise.allSettled(calls)
  const peak = await peakBytes(agentPid, 3000)
  assert.ok((await answers).every(({ status }) => status === 'fulfilled'))
  assert.ok(peak - before < 2 * GROWTH_BYTES_MAX, `${(peak - before) >> 20} MiB more`)
})

test('a host takes no request that nobody of its installation sent, and lives on', LIMITS, async () => {
  await using ground = await HostileGround.openApart()
  const socketPath = ground.agent.address.slice('unix:'.length)
  for (const path of ['//', '/rpc/sync', '/%zz', '*', 'http://', '/streams/file?path=%00'])
    for (const headers of [{}, { connection: 'upgrade', upgrade: 'holdfast-port' }]) {
      const asked = request({ socketPath, path, headers, method: 'POST' })
      const answer = new Promise((resolve) => {
        asked.on('response', resolve).on('upgrade', resolve).on('error', resolve)
      })
      asked.end()
      await answer
      asked.destroy()
    }
  assert.equal((await ground.agent.shell('echo here')).text, 'here\n')
})
