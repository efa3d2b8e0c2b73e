import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isFailure } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'
import { until } from '@holdfast/testkit/until'
import { HostileGround, SECRET, told } from './hostile-guest.fixture.ts'

const LIMITS = { timeout: 60_000 }
const FILE_CALL_MS_MAX = 8000

const refused = (code: FailureCode) => (error: unknown) => isFailure(error, code)

/** Every file call and stream with a path of a hostile guest, and what each of them told. */
async function everyCall(ground: HostileGround, path: string): Promise<string[]> {
  const { agent, world } = ground
  const { workspace } = world
  const of = { workspace, path }
  const calls = [
    () => agent.files.call('statFile', of),
    () => agent.files.call('listFiles', { ...of, depth: 3, limit: 1000 }),
    () => agent.files.call('findFiles', { ...of, pattern: '*secret*', limit: 100 }),
    () => agent.files.call('grepFiles', { ...of, pattern: SECRET, isRegex: false, limit: 100 }),
    () => ground.get('file', path),
    () => ground.get('archive', path),
    () => agent.files.call('makeDirectory', { workspace, path: `${path}/planted`, mode: 0o777 }),
    () => ground.put('file', `${path}/planted-file`, Buffer.from('planted')),
    () => ground.put('file', path, Buffer.from('planted')),
    () => agent.files.call('moveFile', { workspace, from: `${path}/secret`, to: 'stolen' }),
    () => agent.files.call('moveFile', { workspace, from: path, to: 'moved' }),
    () => agent.files.call('removeFile', { workspace, path: `${path}/secret`, recursive: true }),
    () => agent.files.call('removeFile', { workspace, path, recursive: true }),
  ]
  const answers: string[] = []
  for (const call of calls) answers.push(await told(call()))
  return answers
}

test('a link that a guest planted leads no file call to the host', LIMITS, async () => {
  await using ground = await HostileGround.open()
  const { agent, outside } = ground
  const targets = [
    join(outside, 'secret'),
    outside,
    `/proc/1/root${outside}`,
    `/proc/1/cwd/../../../../../..${outside}`,
    `../../../../../../../..${outside}`,
    '/proc/self/fd/3',
  ]
  for (const target of targets) {
    await agent.shell('rm -rf link moved stolen; ln -s "$TARGET" link', { environment: { TARGET: target } })
    const answers = await everyCall(ground, 'link')
    assert.ok(!answers.join('\n').replaceAll(`"pattern":"${SECRET}"`, '').includes(SECRET), target)
    ground.assertOutsideIsUntouched()
  }
})

test('a guest makes no hard link to what is not its own', LIMITS, async () => {
  await using ground = await HostileGround.open()
  const sources = '/etc/passwd /usr/bin/env /run/holdfast/hold /proc/1/exe /dev/null /tmp/own'
  const { text } = await ground.agent.shell(
    `echo own > /tmp/own; for file in ${sources}; do ln -L "$file" hard 2> /dev/null && echo "$file"; done; ls; echo done`,
  )
  assert.equal(text, 'done\n')
})

test('a FIFO, a socket or a device in place of a file hangs no file call', LIMITS, async () => {
  await using ground = await HostileGround.open()
  const { agent, world } = ground
  await agent.shell(`mkfifo fifo; ln -s /dev/zero zero; ln -s fifo link; mkdir d; mkfifo d/fifo
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'`)
  for (const path of ['fifo', 'zero', 'link', 'socket', 'd']) {
    const begunMs = performance.now()
    const answers = await everyCall(ground, path)
    assert.ok(performance.now() - begunMs < FILE_CALL_MS_MAX, `${path}: ${answers}`)
  }
  await agent.shell('mkfifo fifo')
  await assert.rejects(ground.get('file', 'fifo'), refused('invalid-argument'))
  await ground.put('file', 'fifo', Buffer.from('a file again'))
  assert.equal(String(await ground.get('file', 'fifo')), 'a file again')
  await agent.files.call('statFile', { workspace: world.workspace, path: 'fifo' })
})

/** Stops each process that file calls are answered by, as soon as it sees it. */
const STOP_TOOLS = `
import os, signal
while True:
    for pid in os.listdir('/proc'):
        try:
            if open(f'/proc/{pid}/comm').read().strip() in ('grep', 'cat', 'tar'):
                os.kill(int(pid), signal.SIGSTOP)
        except (OSError, ValueError): pass
`

test(
  'a guest that stops the tools of a file call delays that call alone, and nothing stays',
  LIMITS,
  async () => {
    await using ground = await HostileGround.open()
    const { agent, world } = ground
    const { workspace } = world
    await agent.shell('yes | head -c 40000000 > large')
    await agent.start(['python3', '-c', STOP_TOOLS])
    await delay(300)
    const timeoutMs = 1500
    const grep = { workspace, path: 'large', pattern: '(y|n)*x', isRegex: true, limit: 10 }
    await assert.rejects(agent.files.call('grepFiles', grep, { timeoutMs }), refused('timed-out'))
    for (const [stream, path] of [
      ['file', 'large'],
      ['archive', '.'],
    ] as const)
      await assert.rejects(ground.get(stream, path, AbortSignal.timeout(timeoutMs)))
    const execs = await agent.host.call('listExecs', { workspace })
    for (const { id } of execs.execs.filter(({ status }) => status === 'running'))
      await agent.host.call('deleteExec', { workspace, exec: id, graceMs: 0 })
    const left = async () => (await agent.shell('pgrep -cx "grep|cat|tar"; ls -A')).text
    await until('nothing searches any more', async () => (await left()) === '0\nlarge\n')
  },
)

test('a directory that is swapped for a link in a tight loop leads nothing outside', LIMITS, async () => {
  await using ground = await HostileGround.open()
  const { agent, outside, world } = ground
  await agent.shell('mkdir real; echo harmless > real/secret; ln -s "$OUTSIDE" link', {
    environment: { OUTSIDE: outside },
  })
  const swap = `
import os
while True:
    os.rename('real', 'd'); os.rename('d', 'real'); os.rename('link', 'd'); os.rename('d', 'link')
`
  await agent.start(['python3', '-c', swap])
  const generations = new Set<string>()
  for (const untilMs = performance.now() + 10_000; performance.now() < untilMs; ) {
    const answers = await Promise.all([
      told(ground.get('file', 'd/secret')),
      told(ground.get('archive', '.')),
      told(agent.files.call('listFiles', { workspace: world.workspace, path: '.', depth: 3, limit: 100 })),
      told(ground.put('file', 'd/planted', Buffer.from('planted'))),
      told(agent.sync()),
    ])
    assert.ok(!answers.some((answer) => answer.includes(SECRET)))
    const generation = /"id":"([0-9a-f]{64})"/.exec(answers.at(-1) ?? '')?.[1]
    if (generation !== undefined) generations.add(generation)
  }
  ground.assertOutsideIsUntouched()
  assert.ok(generations.size > 0, 'it was captured meanwhile')
  for (const generation of [...generations].slice(-3)) {
    const fork = await world.fork(generation)
    await agent.open({ workspace: fork })
    const seen = await agent.files.call('grepFiles', {
      ...{ workspace: fork, path: '.', pattern: SECRET },
      ...{ isRegex: false, limit: 10 },
    })
    assert.deepEqual(seen.matches, [])
    await agent.close({ workspace: fork, force: true })
  }
})
