import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { systemBootClock } from '@holdfast/base/boot-clock'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import {
  command,
  countRunning,
  PID_NAMESPACE,
  run,
  shell,
  startHoldinit,
  until,
} from './running-holdinit.fixture.ts'

const LIMITS = { timeout: 20_000 }
/** As the length of a sleep: tells what one test started from all else that runs. */
let lastMark = Math.floor(systemBootClock.bootMs() * 10 + process.pid)
const mark = (): string => `sleep ${1_000_000 + (lastMark++ % 10_000_000)}`

const RUNTIMES: readonly (readonly [name: string, wrapper: readonly string[]])[] = [
  ['as an ordinary process', []],
  ['as pid 1', PID_NAMESPACE],
]

for (const [name, wrapper] of RUNTIMES) {
  test(
    `${name}, a kill reaches what left its group, session and parent, and nothing else`,
    LIMITS,
    async (t) => {
      const { holdinit } = await startHoldinit(t, { wrapper })
      const [own, other] = [mark(), mark()]
      const neighbour = await holdinit.exec(shell(`setsid ${other} & ${other}`))
      const exec = await holdinit.exec(
        shell(
          `(setsid setsid ${own} &); setsid sh -c '${own} & exit' & trap '' TERM HUP; nohup ${own} & ${own}`,
        ),
      )
      await until(() => countRunning(own) === 4 && countRunning(other) === 2)
      await exec.kill()
      assert.deepEqual(await exec.ended, { kind: 'signaled', signal: 'SIGKILL', isOom: false })
      await until(() => countRunning(own) === 0)
      assert.equal(countRunning(other), 2)
      await neighbour.kill()
      await until(() => countRunning(other) === 0)
    },
  )

  test(`${name}, the daemons of an ended command live until it is killed`, LIMITS, async (t) => {
    const { holdinit } = await startHoldinit(t, { wrapper })
    const own = mark()
    // its output is not read: so the command is not forgotten
    const exec = await holdinit.exec(
      shell(`setsid ${own} >/dev/null 2>&1 & head -c 2000000 /dev/zero & exit 3`),
    )
    assert.deepEqual(await exec.ended, { kind: 'exited', exitCode: 3 })
    await until(() => countRunning(own) === 1)
    await exec.kill()
    await until(() => countRunning(own) === 0)
  })

  test(`${name}, a fork bomb is killed`, LIMITS, async (t) => {
    const { holdinit } = await startHoldinit(t, {
      wrapper,
      connection: { limits: [{ resource: 6, soft: 150n, hard: 150n }] },
    })
    const own = mark()
    const bomb = await holdinit.exec(shell(`f() { ${own} & f | f & f; }; f 2>/dev/null`))
    await until(() => countRunning(own) > 20)
    await bomb.kill()
    await bomb.ended
    await until(() => countRunning(own) === 0)
  })

  test(`${name}, nothing runs after the deadline`, LIMITS, async (t) => {
    const { holdinit, child } = await startHoldinit(t, { wrapper })
    const own = mark()
    const exec = await holdinit.exec(shell(`(setsid setsid ${own} &); trap '' TERM; ${own}`))
    await until(() => countRunning(own) === 2)
    const deadline = systemBootClock.bootMs() + 300
    await holdinit.extend(deadline)
    await once(child, 'exit')
    const lateMs = systemBootClock.bootMs() - deadline
    assert.ok(lateMs >= -10 && lateMs < 200, `${lateMs} ms`)
    assert.equal(child.exitCode, 3)
    assert.equal(countRunning(own), 0)
    assert.deepEqual(await exec.ended, { kind: 'gone' })
    await holdinit.ended
    await assert.rejects(holdinit.exec(command(['true'])), (error) => isFailure(error, 'sandbox-gone'))
  })

  test(`${name}, an extended deadline lets it run`, LIMITS, async (t) => {
    const { holdinit } = await startHoldinit(t, {
      wrapper,
      flags: { deadlineBootMs: systemBootClock.bootMs() + 400 },
    })
    await holdinit.extend(systemBootClock.bootMs() + 10_000)
    await systemClock.sleep(600)
    assert.deepEqual((await run(holdinit, command(['true']))).end, { kind: 'exited', exitCode: 0 })
  })

  test(`${name}, a command is told apart from others by nothing it can signal`, LIMITS, async (t) => {
    const { holdinit, child } = await startHoldinit(t, { wrapper })
    const self = wrapper.length === 0 ? String(child.pid) : '1'
    const all = wrapper.length === 0 ? ':' : 'kill -KILL -1' // which outside of a pid namespace reaches strangers
    const script = `for s in KILL STOP TERM INT HUP CHLD; do kill -$s ${self} $PPID; done; ${all}`
    await holdinit.exec(shell(script)).then((exec) => exec.ended)
    assert.deepEqual((await run(holdinit, shell('echo alive'))).stdout, 'alive\n')
  })
}

test('an ordinary holdinit that is told to end takes everything with it', LIMITS, async (t) => {
  const { holdinit, child } = await startHoldinit(t)
  const own = mark()
  await holdinit.exec(shell(`(setsid setsid ${own} &); ${own}`))
  await until(() => countRunning(own) === 2)
  child.kill('SIGTERM')
  await once(child, 'exit')
  assert.equal(child.exitCode, 4)
  assert.equal(countRunning(own), 0)
})

test(
  'an ordinary holdinit that is killed leaves nothing behind: its keepers see to it',
  LIMITS,
  async (t) => {
    const { holdinit, child } = await startHoldinit(t)
    const own = mark()
    await holdinit.exec(shell(`(setsid setsid ${own} &); ${own}`))
    await until(() => countRunning(own) === 2)
    child.kill('SIGKILL')
    await until(() => countRunning(own) === 0)
  },
)

test('a command whose keeper is killed counts as killed, and its group is', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const own = mark()
  const exec = await holdinit.exec(shell(`${own} & ${own}`))
  await until(() => countRunning(own) === 2)
  const status = readFileSync(`/proc/${await exec.started}/status`, 'utf8')
  process.kill(Number(/PPid:\t(\d+)/.exec(status)?.[1]), 'SIGKILL')
  assert.deepEqual(await exec.ended, { kind: 'signaled', signal: 'SIGKILL', isOom: false })
  await until(() => countRunning(own) === 0)
})

test('a kill for memory is told apart where kills are counted', LIMITS, async (t) => {
  let oomKills = 7
  const { holdinit } = await startHoldinit(t, { connection: { oomKills: () => oomKills } })
  const [first, second] = [
    await holdinit.exec(command(['sleep', '20'])),
    await holdinit.exec(command(['sleep', '20'])),
  ]
  await first.kill()
  assert.deepEqual(await first.ended, { kind: 'signaled', signal: 'SIGKILL', isOom: false })
  oomKills += 1
  await second.kill()
  assert.deepEqual(await second.ended, { kind: 'signaled', signal: 'SIGKILL', isOom: true })
})

test('where no process can be started that is said by name', LIMITS, async (t) => {
  const plain = 54_321
  const ids = ['setpriv', `--reuid=${plain}`, `--regid=${plain}`, '--clear-groups', 'prlimit', '--nproc=1:1']
  const { holdinit } = await startHoldinit(t, { wrapper: ids, owner: plain })
  await assert.rejects(holdinit.exec(command(['true'])), (error) => {
    assert.ok(isFailure(error, 'exec-failed'))
    assert.deepEqual(error.details, { step: 'fork', errno: 'EAGAIN' })
    return true
  })
})

test('a plain user runs commands as itself', LIMITS, async (t) => {
  const plain = 54_322
  const ids = ['setpriv', `--reuid=${plain}`, `--regid=${plain}`, '--clear-groups']
  const { holdinit } = await startHoldinit(t, { wrapper: ids, owner: plain })
  assert.equal((await run(holdinit, command(['id', '-u']))).stdout, `${plain}\n`)
})
