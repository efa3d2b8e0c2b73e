import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { findProcess } from '@holdfast/host/agent/processes.fixture'
import { SANDBOX_SPEC_DEFAULT } from '@holdfast/protocol/sandbox-spec'
import { until } from '@holdfast/testkit/until'
import { HostileGround } from './hostile-guest.fixture.ts'

const LIMITS = { timeout: 60_000 }
/** On a machine whose every core is taken. */
const ANSWER_MS_MAX = 5000
const SOME = 10

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

async function answersMs(bystander: { answerMs(): Promise<number> }): Promise<number[]> {
  const answers: number[] = []
  for (let count = 0; count < SOME; count++) answers.push(await bystander.answerMs())
  return answers
}

const SPINNING_BOMB = 'bomb() { bomb | bomb & }; while :; do bomb 2> /dev/null; : ; done'

test(
  'a fork bomb in one workspace leaves others answering, and ends with its workspace',
  LIMITS,
  async () => {
    await using ground = await HostileGround.open()
    const { agent } = ground
    const bystander = await ground.bystander()
    await agent.start(['sh', '-c', SPINNING_BOMB])
    await delay(1000)
    const answers = await answersMs(bystander)
    assert.ok(median(answers) < ANSWER_MS_MAX, `${answers}`)
    await agent.close({ force: true })
    assert.equal(findProcess(`sh -c ${SPINNING_BOMB}`).length, 0)
  },
)

test('a memory bomb kills its own commands alone', LIMITS, async () => {
  await using ground = await HostileGround.open()
  const { agent } = ground
  const bystander = await ground.bystander()
  const { exec: quiet } = await agent.start(['sleep', '600'])
  const bomb = "a = []\nwhile True: a.append(b'x' * (8 << 20))"
  const bombs = Array.from({ length: 4 }, () => agent.start(['python3', '-c', bomb], {}, 15_000))
  const answers = await answersMs(bystander)
  assert.ok(median(answers) < ANSWER_MS_MAX, `${answers}`)
  const ends = await Promise.all(bombs)
  assert.deepEqual(
    ends.map(({ exec }) => [exec.status, exec.signal]),
    ends.map(() => ['killed', 'SIGKILL']),
  )
  assert.ok(ends.some(({ exec }) => exec.reason === 'oom'))
  const { workspace } = ground.world
  const state = await agent.host.call('execState', { workspace, exec: quiet.id, waitMs: 0 })
  assert.equal(state.status, 'running')
  assert.equal((await agent.shell('echo alive')).text, 'alive\n')
})

test(
  'memory that hides in /tmp and /dev/shm is the workspace’s own, and goes with a restart',
  LIMITS,
  async () => {
    await using ground = await HostileGround.open()
    const { agent } = ground
    const bystander = await ground.bystander()
    await agent.shell('echo kept > file')
    await agent.shell('head -c 1G /dev/zero > /tmp/a; head -c 1G /dev/zero > /dev/shm/b')
    assert.ok((await bystander.answerMs()) < ANSWER_MS_MAX)
    assert.equal((await agent.close()).kind, 'saved')
    await agent.open()
    assert.equal((await agent.shell('cat file')).text, 'kept\n')
  },
)

/** Processes that do not want to end, each in its own way; their sleep tells them from all others. */
const STUBBORN: readonly (readonly [what: string, script: string])[] = [
  ['ignores TERM', 'trap "" TERM HUP INT QUIT; while :; do sleep 8641; done'],
  ['is a daemon of another session', 'setsid sh -c "trap \\"\\" TERM; sleep 8642; sleep 8642" & exit 0'],
  ['left by a double fork', '(setsid sleep 8643 &) & exit 0'],
  ['stopped itself', 'sleep 8644 & sleep 0.5; kill -STOP $!; kill -STOP $$; sleep 8644'],
  ['is a zombie’s parent', `python3 -c 'import os, time\nif os.fork() == 0: os._exit(0)\ntime.sleep(8645)'`],
]

test('nothing of a guest outlives its workspace, whatever it ignores', LIMITS, async () => {
  await using ground = await HostileGround.open()
  const { agent } = ground
  for (const [, script] of STUBBORN) await agent.start(['sh', '-c', script])
  await until('both run', () => findProcess('sleep 8643').length > 0 && findProcess('sleep 8644').length > 0)
  const pids = [8641, 8642, 8643, 8644].flatMap((sleep) => findProcess(`sleep ${sleep}`))
  assert.ok(pids.length >= 3)
  const begunMs = performance.now()
  const { kind } = await agent.close({ drainMs: 200 })
  assert.ok(performance.now() - begunMs < 10_000)
  assert.equal(kind, 'saved')
  for (const pid of pids) assert.ok(!existsSync(`/proc/${pid}/cwd`), `${pid} lives`)
})

test('a capture takes no notice of processes that stop themselves or that spin', LIMITS, async () => {
  await using ground = await HostileGround.open()
  const { agent } = ground
  await agent.start(['sh', '-c', 'kill -STOP $$; echo never'])
  for (let count = 0; count < 8; count++) await agent.start(['sh', '-c', 'while :; do :; done'])
  await agent.shell('echo kept > file')
  const begunMs = performance.now()
  const { generation } = await agent.sync()
  assert.ok(performance.now() - begunMs < 8000)
  const fork = await ground.world.fork(generation.id)
  await agent.open({ workspace: fork, spec: SANDBOX_SPEC_DEFAULT })
  const of = { workspace: fork, path: 'file' }
  assert.equal((await agent.files.call('statFile', of)).bytes, 5)
  const states = await agent.host.call('listExecs', { workspace: ground.world.workspace })
  assert.equal(
    states.execs.filter(({ status }) => status === 'running').length,
    9,
    'what was stopped stays so',
  )
})
