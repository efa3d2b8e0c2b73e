import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { CommandExitError, Sandbox } from 'e2b'
import { type OneBox, startOneBox } from '../system/one-box.ts'
import { Adapter } from './adapter.ts'

let box: OneBox
let adapter: Adapter
let sandbox: Sandbox

before(async () => {
  box = await startOneBox()
  adapter = await Adapter.start(box.url)
  sandbox = await Sandbox.create({
    ...{ apiKey: box.apiKey, validateApiKey: false, apiUrl: adapter.url, sandboxUrl: adapter.url },
    metadata: { made: 'by-e2b' },
    timeoutMs: 60_000,
  })
})
after(async () => {
  await adapter?.[Symbol.asyncDispose]()
  await box?.[Symbol.asyncDispose]()
})

test('commands run with their output, and an exit code other than 0 is told', {
  timeout: 30_000,
}, async () => {
  const done = await sandbox.commands.run('echo "$A"; echo err >&2', { envs: { A: 'é' }, cwd: '/workspace' })
  assert.deepEqual([done.stdout, done.stderr, done.exitCode], ['é\n', 'err\n', 0])
  await assert.rejects(
    sandbox.commands.run('echo why; exit 3'),
    (error) => error instanceof CommandExitError && error.exitCode === 3 && error.stdout === 'why\n',
  )
})

test('a command in the background is told of as it writes, and is killed', { timeout: 30_000 }, async () => {
  const lines: string[] = []
  const running = await sandbox.commands.run('echo begun; sleep 60', {
    background: true,
    onStdout: (line) => void lines.push(line),
  })
  while (lines.length === 0) await delay(20)
  assert.equal(await running.kill(), true)
  await assert.rejects(running.wait(), (error) => error instanceof CommandExitError && error.exitCode !== 0)
  assert.deepEqual(lines, ['begun\n'])
})

test('files are written, read, listed, moved and removed', { timeout: 30_000 }, async () => {
  const { files } = sandbox
  const written = await files.write('dir/a.txt', 'one')
  assert.deepEqual([written.name, written.path], ['a.txt', '/workspace/dir/a.txt'])
  assert.equal(await files.read('/workspace/dir/a.txt'), 'one')
  await files.write('dir/bytes', new Uint8Array([0, 255]).buffer)
  assert.deepEqual(await files.read('dir/bytes', { format: 'bytes' }), new Uint8Array([0, 255]))
  assert.deepEqual([await files.makeDir('dir/sub'), await files.makeDir('dir/sub')], [true, false])
  const listed = (await files.list('dir')).map(({ name, type, size }) => [name, type, size])
  assert.deepEqual(listed.slice(0, 2), [
    ['a.txt', 'file', 3],
    ['bytes', 'file', 2],
  ])
  assert.deepEqual(listed[2]?.slice(0, 2), ['sub', 'dir'])
  assert.equal((await files.rename('dir/a.txt', 'dir/b.txt')).path, '/workspace/dir/b.txt')
  assert.deepEqual([await files.exists('dir/a.txt'), await files.exists('dir/b.txt')], [false, true])
  await files.remove('dir')
  assert.equal(await files.exists('dir'), false)
})

test('a sandbox runs until its time is up', { timeout: 30_000 }, async () => {
  assert.equal(await sandbox.isRunning(), true)
  await sandbox.setTimeout(1_000)
  while (await sandbox.isRunning()) await delay(100)
  assert.equal(await sandbox.kill(), false)
  const short = await Sandbox.create({
    apiKey: box.apiKey,
    validateApiKey: false,
    apiUrl: adapter.url,
    sandboxUrl: adapter.url,
  })
  assert.equal(await short.kill(), true)
  assert.equal(await short.isRunning(), false)
})
