import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { until } from '@holdfast/testkit/until'
import { HostWorld } from './host-world.fixture.ts'
import { findProcesses, pidOneOf } from './processes.fixture.ts'

const SPINNING = 50
/** Each appends the boot clock's nanoseconds to a file as often as it gets there. */
const PROGRAM = `
import os, sys, time
out = os.open('ticks', os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for _ in range(${SPINNING - 1}):
    if os.fork() == 0: break
while True:
    for _ in range(2000): pass
    os.write(out, b'%d\\n' % time.clock_gettime_ns(time.CLOCK_BOOTTIME))
`

test('nothing runs past its deadline when the agent is killed', { timeout: 60_000 }, async () => {
  await using spinning = await Spinning.begin('killed')
  spinning.agent.kill('SIGKILL')
  await once(spinning.agent, 'exit')
  await spinning.assertEndsInTime()
})

test('nor when the agent is stopped, and the first process of the sandbox too: the watchdog alone is left', {
  timeout: 60_000,
}, async () => {
  await using spinning = await Spinning.begin('stopped')
  const first = pidOneOf(spinning.pids()[0] ?? 0)
  spinning.agent.kill('SIGSTOP')
  process.kill(first, 'SIGSTOP')
  await spinning.assertEndsInTime()
})

/** An agent in a process of its own, in whose sandbox many processes spin. */
class Spinning implements AsyncDisposable {
  readonly #world: HostWorld
  readonly #word: string
  readonly agent: Awaited<ReturnType<HostWorld['agentProcess']>>['child']

  private constructor(world: HostWorld, word: string, agent: Spinning['agent']) {
    this.#world = world
    this.#word = word
    this.agent = agent
  }

  static async begin(name: string): Promise<Spinning> {
    const word = `${name}-${process.pid}` // what another run of this test has started is not this one's
    const world = await HostWorld.make()
    const agent = await world.agentProcess('host-a')
    await agent.open()
    await agent.start(['python3', '-c', PROGRAM, word])
    const spinning = new Spinning(world, word, agent.child)
    await until('all of them spin', () => spinning.pids().length === SPINNING && spinning.#lastTickMs() > 0)
    return spinning
  }

  pids(): number[] {
    return findProcesses((words) => words.startsWith('python3 -c') && words.endsWith(` ${this.#word}`))
  }

  async assertEndsInTime(): Promise<void> {
    await delay(1200) // an extension is in the mirror within a second
    const deadlineMs = this.#deadlineBootMs()
    assert.ok(deadlineMs > uptime() * 1000, 'it runs still')
    assert.equal(this.pids().length, SPINNING)
    await until('all of them are gone', () => this.pids().length === 0)
    const lastMs = this.#lastTickMs()
    assert.ok(lastMs <= deadlineMs, `a tick came ${lastMs - deadlineMs} ms after the deadline`)
    await delay(100)
    assert.equal(this.#lastTickMs(), lastMs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#world[Symbol.asyncDispose]()
  }

  /** As the watchdog has it. */
  #deadlineBootMs(): number {
    const mirror = readFileSync(join(this.#world.base, 'host-a', 'watchdog', 'holdwatch.state'), 'utf8')
    const [sandbox = '', ...others] = mirror.trim().split('\n').slice(1)
    assert.deepEqual(others, [])
    return Number(sandbox.split(' ')[1])
  }

  #lastTickMs(): number {
    const { base, workspace } = this.#world
    const path = join(base, 'host-a', 'workspaces', workspace, 'files', 'ticks')
    const lines = readFileSync(path, 'latin1').split('\n')
    return lines.reduce((last, line) => (line.length > 8 ? Math.max(last, Number(line) / 1e6) : last), 0)
  }
}
