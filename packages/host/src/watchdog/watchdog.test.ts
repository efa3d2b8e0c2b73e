import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { cgroupVersions, FreezerCgroup } from '@holdfast/testkit/freezer-cgroup'
import { Bench, BINARY, bootMs, buildHoldwatch, ended } from './watchdog.fixture.ts'

before(buildHoldwatch)

const LIMIT = { timeout: 40_000 }
const AGENT = fileURLToPath(new URL('./agent-of-watchdog.fixture.ts', import.meta.url))

for (const version of cgroupVersions()) {
  test(
    `250 busy processes run to their deadline and not a tick longer, in cgroups of version ${version}`,
    LIMIT,
    async () => {
      await using bench = new Bench()
      const watchdog = await bench.start()
      const cgroup = await bench.busy(version, 250)
      const deadlineBootMs = bootMs() + 500
      await watchdog.watch({ name: 'busy', deadlineBootMs, cgroups: [cgroup.path] })
      await bench.end('busy')
      assert.deepEqual(cgroup.pids(), [])
      const last = bench.lastTickMs(cgroup)
      assert.ok(last <= deadlineBootMs, `a tick came ${last - deadlineBootMs} ms after the deadline`)
      assert.ok(last > deadlineBootMs - 450, `the last tick came ${deadlineBootMs - last} ms before it`)
      await delay(100)
      assert.equal(bench.lastTickMs(cgroup), last)
    },
  )

  test(`a frozen sandbox dies without running, in a cgroup of version ${version}`, LIMIT, async () => {
    await using bench = new Bench()
    const watchdog = await bench.start()
    const cgroup = await bench.busy(version, 20)
    cgroup.freeze()
    while (!cgroup.isFrozen()) await delay(1)
    const frozenAt = bench.lastTickMs(cgroup)
    await watchdog.watch({ name: 'frozen', deadlineBootMs: bootMs() + 100, cgroups: [cgroup.path] })
    await bench.end('frozen')
    assert.deepEqual(cgroup.pids(), [])
    assert.equal(bench.lastTickMs(cgroup), frozenAt)
  })
}

test(
  'a sandbox lives as long as its deadline is extended, and a forgotten one is let be',
  LIMIT,
  async () => {
    await using bench = new Bench()
    const watchdog = await bench.start()
    const [kept, forgotten] = [await bench.busy(1, 2), await bench.busy(1, 2)]
    for (const [name, cgroup] of [
      ['kept', kept],
      ['forgotten', forgotten],
    ] as const)
      await watchdog.watch({ name, deadlineBootMs: bootMs() + 1000, cgroups: [cgroup.path] })
    await watchdog.forget('forgotten')
    for (let round = 0; round < 5; round++) {
      await delay(150)
      await watchdog.extend('kept', bootMs() + 1000)
    }
    assert.deepEqual(bench.killed, [])
    await bench.end('kept')
    await assert.rejects(watchdog.extend('kept', bootMs() + 1000), { code: 'not-found' })
    assert.ok(forgotten.pids().length > 0)
  },
)

test('a kill resolves when nobody is left, and what is unknown is dead already', LIMIT, async () => {
  await using bench = new Bench()
  const watchdog = await bench.start()
  const cgroup = await bench.busy(1, 10)
  await watchdog.watch({ name: 'a', deadlineBootMs: bootMs() + 60_000, cgroups: [cgroup.path] })
  await watchdog.kill('a')
  assert.deepEqual(cgroup.pids(), [])
  await watchdog.kill('a')
})

test('a sandbox that others hold frozen holds up no other, and dies when they let go', LIMIT, async () => {
  await using bench = new Bench()
  const watchdog = await bench.start()
  const parent = bench.cgroup(1)
  const held = bench.stack.use(new FreezerCgroup(1, parent))
  await held.spawn('exec sleep 60', bench.directory)
  const cgroup = await bench.busy(1, 5)
  parent.freeze()
  const deadlineBootMs = bootMs() + 300
  await watchdog.watch({ name: 'held', deadlineBootMs, cgroups: [held.path] })
  await watchdog.watch({ name: 'free', deadlineBootMs, cgroups: [cgroup.path] })
  await bench.end('free')
  assert.deepEqual(
    bench.killed.map(({ name }) => name),
    ['free'],
  )
  parent.thaw()
  await bench.end('held')
})

async function startAgent(bench: Bench, cgroup: FreezerCgroup, ms: number) {
  const words = [AGENT, BINARY, bench.directory, 'orphan', String(ms), cgroup.path]
  const agent = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  bench.stack.defer(() => void agent.kill('SIGKILL'))
  const [text] = await once(agent.stdout, 'data')
  const [watchdogPid = 0, deadlineBootMs = 0] = String(text).split(' ').map(Number)
  return { agent, watchdogPid, deadlineBootMs }
}

for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
  test(`the deadline holds when the agent gets ${signal}`, LIMIT, async () => {
    await using bench = new Bench()
    const cgroup = bench.cgroup(1)
    const { agent, watchdogPid, deadlineBootMs } = await startAgent(bench, cgroup, 2500)
    await bench.fill(cgroup, 50)
    agent.kill(signal)
    while (cgroup.pids().length > 0) await delay(5)
    const last = bench.lastTickMs(cgroup)
    assert.ok(last <= deadlineBootMs && last > deadlineBootMs - 550, `${last - deadlineBootMs} ms after it`)
    agent.kill('SIGKILL')
    await ended(watchdogPid)
  })
}

test('a new watchdog takes over from one that is stopped, with its deadlines', LIMIT, async () => {
  await using bench = new Bench()
  const cgroup = bench.cgroup(1)
  const { agent, watchdogPid, deadlineBootMs } = await startAgent(bench, cgroup, 2500)
  await bench.fill(cgroup, 10)
  agent.kill('SIGKILL')
  process.kill(watchdogPid, 'SIGSTOP')
  const watchdog = await bench.start()
  await ended(watchdogPid)
  assert.deepEqual(watchdog.found, ['orphan'])
  assert.ok(cgroup.pids().length > 0)
  await bench.end('orphan')
  assert.deepEqual(cgroup.pids(), [])
  assert.ok(bench.lastTickMs(cgroup) <= deadlineBootMs)
})

test(
  'a watchdog that was killed is replaced, knows what was watched, and kills what is due',
  LIMIT,
  async () => {
    await using bench = new Bench()
    const lost = Promise.withResolvers<void>()
    const watchdog = await bench.start({ onLost: () => lost.resolve() })
    const [due, later] = [await bench.busy(1, 5), await bench.busy(1, 5)]
    await watchdog.watch({ name: 'due', deadlineBootMs: bootMs() + 300, cgroups: [due.path] })
    await watchdog.watch({ name: 'later', deadlineBootMs: bootMs() + 60_000, cgroups: [later.path] })
    const first = watchdog.pid ?? 0
    process.kill(first, 'SIGKILL')
    await lost.promise
    await bench.end('due')
    assert.notEqual(watchdog.pid, first)
    assert.ok(later.pids().length > 0)
    await watchdog.extend('later', bootMs())
    await bench.end('later')
  },
)

test(
  'a deadline in the mirror that cannot be read has passed; a mirror of another boot counts for nothing',
  LIMIT,
  async () => {
    await using bench = new Bench()
    const [damaged, foreign] = [await bench.busy(1, 2), await bench.busy(1, 2)]
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    const mirror = join(bench.directory, 'holdwatch.state')
    writeFileSync(mirror, `holdwatch 1 ${bootId}\ndamaged 12x4 ${damaged.path} \nbroken\n`)
    await bench.start()
    await bench.end('damaged')
    assert.deepEqual(damaged.pids(), [])
    const other = new Bench()
    await using _other = other
    writeFileSync(
      join(other.directory, 'holdwatch.state'),
      `holdwatch 1 another\nforeign 1 ${foreign.path} \n`,
    )
    assert.deepEqual((await other.start()).found, [])
    assert.ok(foreign.pids().length > 0)
  },
)

test('it ends with nothing left to watch, also when its folder is gone', LIMIT, async () => {
  await using bench = new Bench()
  const watchdog = await bench.start()
  const cgroup = await bench.busy(1, 2)
  await watchdog.watch({ name: 'gone', deadlineBootMs: bootMs() + 300, cgroups: [cgroup.path] })
  const pid = watchdog.pid ?? 0
  await watchdog[Symbol.asyncDispose]()
  rmSync(bench.directory, { recursive: true })
  await ended(pid)
  assert.deepEqual(cgroup.pids(), [])
})
