import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { until } from '@holdfast/testkit/until'
import { Workbench } from '../../workbench.fixture.ts'

const MAIN = fileURLToPath(new URL('../../main.js', import.meta.url))

async function begun(): Promise<Workbench> {
  const bench = new Workbench()
  bench.write('a.txt', 'one')
  await bench.printed('dir', 'init', bench.project)
  return bench
}

test('a commit makes a generation, or says that nothing has changed', async () => {
  using bench = await begun()
  assert.match(
    await bench.printed('dir', 'commit', bench.project),
    /^Committed generation 1 \([0-9a-f]{12}\): /,
  )
  assert.match(
    await bench.printed('dir', 'commit', bench.project),
    /^Nothing has changed since generation 1 /,
  )
  assert.match(
    await bench.printed('dir', 'commit', bench.project, '--checkpoint'),
    /^Committed generation 2 /,
  )
  assert.match(await bench.printed('dir', 'sync', bench.project), /^Durable: generation 2 .* holds all/)
})

test('a command under watch passes its exit code on, and what it wrote is kept', async () => {
  using bench = await begun()
  const script = `printf two > ${bench.project}/a.txt; exit 7`
  const watched = await bench.hold('dir', 'watch', bench.project, '--', 'sh', '-c', script)
  assert.equal(watched.exitCode, 7)
  assert.match(watched.stderr, /the command ended \(7\); \d+ generations? in /)
  assert.equal(await bench.printed('dir', 'cat', bench.project, 'a.txt'), 'two')
})

test('a command that a signal ended, or that does not exist, has the code of a shell', async () => {
  using bench = await begun()
  const killed = await bench.hold('dir', 'watch', bench.project, '--', 'sh', '-c', 'kill -9 $$')
  assert.equal(killed.exitCode, 137)
  assert.equal((await bench.hold('dir', 'watch', bench.project, '--', 'no-such-command')).exitCode, 127)
})

test('a watch tells its events as lines of JSON, apart from what the command prints', async () => {
  using bench = await begun()
  const script = `echo said; printf two > ${bench.project}/a.txt; sleep 0.5; exit 3`
  const words = ['dir', 'watch', bench.project, '--every', '50ms', '-o', 'json', '--', 'sh', '-c', script]
  const { exitCode, stdout } = await bench.hold(...words)
  assert.equal(exitCode, 3)
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.equal(events[0].event, 'watching')
  assert.ok(events.some((event) => event.event === 'committed' && event.sequence >= 1))
  assert.deepEqual(events.at(-1).command, { code: 3, signal: null })
  assert.equal(events.at(-1).saved, true)
})

test('while a watch runs, status, sync and commit go through it, and a signal ends it with a last commit', async () => {
  using bench = await begun()
  const watching = bench.hold('dir', 'watch', bench.project, '--every', '10s')
  const status = await until('the watch shows', async () => {
    const text = await bench.printed('dir', 'status', bench.project)
    return text.includes('none runs') ? undefined : text
  })
  assert.match(status, /a crash loses +at most about /)
  bench.write('b.txt', 'two')
  assert.match(await bench.printed('dir', 'sync', bench.project), /^Durable: .* by the watch that runs\)\n$/)
  assert.equal(await bench.printed('dir', 'cat', bench.project, 'b.txt'), 'two')
  assert.match(await bench.printed('dir', 'commit', bench.project, '-m', 'named'), /by the watch that runs/)
  assert.match(await bench.printed('dir', 'history', bench.project), / checkpoint .* named\n/)
  const second = await bench.hold('dir', 'watch', bench.project)
  assert.equal(second.exitCode, 1)
  assert.match(second.stderr, /process \d+ writes the history/)
  bench.write('c.txt', 'three')
  bench.signals.emit('SIGTERM')
  const { exitCode, stderr } = await watching
  assert.equal(exitCode, 0)
  assert.match(stderr, /hold: stopped; /)
  assert.equal(await bench.printed('dir', 'cat', bench.project, 'c.txt'), 'three')
})

test('a sync whose time is over ends with 124 and claims nothing', async () => {
  using bench = await begun()
  const words = ['dir', 'sync', bench.project, '--timeout', '1ms', '-o', 'json']
  const child = spawn(process.execPath, [MAIN, ...words], {
    env: { ...process.env, HOLDFAST_HOME: bench.home },
  })
  let stderr = ''
  child.stderr.on('data', (part: Buffer) => {
    stderr += part.toString()
  })
  const [code] = await once(child, 'close')
  assert.equal(code, 124)
  assert.equal(JSON.parse(stderr).error.code, 'outcome-unknown')
})

test('a watch whose reader goes away stops its command and ends', async () => {
  using bench = await begun()
  const counter = join(bench.project, 'counter')
  const script = `i=0; while :; do i=$((i+1)); echo $i > ${counter}; sleep 0.05; done`
  const words = ['dir', 'watch', bench.project, '--every', '50ms', '-o', 'json', '--', 'sh', '-c', script]
  const child = spawn(process.execPath, [MAIN, ...words], {
    env: { ...process.env, HOLDFAST_HOME: bench.home },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(child.stdout, 'data')
  child.stdout.destroy()
  const [code] = await once(child, 'exit')
  assert.equal(code, 143)
  const last = readFileSync(counter, 'utf8')
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.equal(readFileSync(counter, 'utf8'), last)
  assert.equal(await bench.printed('dir', 'cat', bench.project, 'counter'), last)
})
