import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Workbench } from './workbench.fixture.ts'

const MAIN = fileURLToPath(new URL('main.js', import.meta.url))

/** Runs a command line of a shell in which `hold` is a function. */
function shell(bench: Workbench, line: string, environment: Record<string, string> = {}) {
  const script = `hold() { '${process.execPath}' --disable-warning=ExperimentalWarning '${MAIN}' "$@"; }\n${line}`
  const env = { PATH: process.env.PATH, HOLDFAST_HOME: bench.home, ...environment }
  return spawnSync('bash', ['--norc', '-c', script], { cwd: bench.path, env, encoding: 'utf8' })
}

/** Runs a command line on a terminal of 80 columns; gives everything that the terminal received. */
function onTerminal(bench: Workbench, line: string, environment: Record<string, string> = {}): string {
  const command = `'${process.execPath}' --disable-warning=ExperimentalWarning '${MAIN}' ${line}`
  const env = { PATH: process.env.PATH, HOLDFAST_HOME: bench.home, TERM: 'xterm', ...environment }
  const args = ['-qec', `stty cols 80 rows 24; ${command}`, '/dev/null']
  return spawnSync('script', args, { cwd: bench.path, env, encoding: 'utf8' }).stdout.replaceAll('\r\n', '\n')
}

test('a reader that has seen enough ends the command without a complaint', async () => {
  using bench = new Workbench()
  for (let index = 0; index < 3000; index++) bench.write(`${'n'.repeat(60)}/${index}-${'x'.repeat(60)}`, '')
  await bench.printed('dir', 'init', bench.project)
  await bench.printed('dir', 'commit', bench.project)
  const { stdout, stderr, status } = shell(bench, 'set -o pipefail; hold dir ls project -r | head -1')
  assert.equal(status, 0)
  assert.equal(stdout.split('\n').length, 2)
  assert.equal(stderr, '')
})

test('exit codes reach the shell', () => {
  using bench = new Workbench()
  const cases: readonly [string, number][] = [
    ['hold version', 0],
    ['hold dir show nothing-here', 1],
    ['hold dir histroy project', 2],
  ]
  const script = cases.map(([line]) => `${line} >out 2>err; echo $?`).join('\n')
  const codes = shell(bench, script).stdout.trimEnd().split('\n').map(Number)
  assert.deepEqual(
    codes,
    cases.map(([, code]) => code),
  )
})

test('a command line that is wrong ends with 2, help that was asked for with 0', async () => {
  using bench = new Workbench()
  const wrong = [
    [],
    ['dir'],
    ['dir', 'history'],
    ['dir', 'history', 'a', 'b'],
    ['dir', 'history', 'a', '--nope'],
  ]
  for (const words of wrong) assert.equal((await bench.hold(...words)).exitCode, 2, words.join(' '))
  assert.equal((await bench.hold('dir', 'history', 'a', '-o', 'xml')).exitCode, 2)
  assert.equal((await bench.hold('--help')).exitCode, 0)
  assert.equal((await bench.hold('dir', 'history', '--help')).exitCode, 0)
})

test('a wrong word is told with the nearest right one, and as JSON where that was asked for', async () => {
  using bench = new Workbench()
  const plain = await bench.hold('dir', 'histroy', 'project')
  assert.match(
    plain.stderr,
    /^hold: unknown command 'histroy'; Did you mean history\? \(see `hold dir --help`\)\n {2}→ /,
  )
  const json = await bench.hold('dir', 'histroy', 'project', '-o', 'json')
  assert.equal(JSON.parse(json.stderr).error.code, 'invalid-argument')
  assert.equal(json.stdout, '')
})

test('colours are for terminals, unless NO_COLOR is set', async () => {
  using bench = new Workbench()
  bench.write('a', 'x')
  await bench.printed('dir', 'init', bench.project)
  await bench.printed('dir', 'commit', bench.project)
  assert.ok(onTerminal(bench, 'dir history project').includes('\x1b[1m'))
  assert.ok(!onTerminal(bench, 'dir history project', { NO_COLOR: '1' }).includes('\x1b['))
  assert.ok(!shell(bench, 'hold dir history project; hold nope').stdout.includes('\x1b'))
})

test('a line on a terminal is never wider than it', async () => {
  using bench = new Workbench()
  bench.write('a', 'x')
  await bench.printed('dir', 'init', bench.project)
  await bench.printed('dir', 'commit', bench.project, '-m', 'm'.repeat(200))
  const lines = onTerminal(bench, 'dir history project', { NO_COLOR: '1' }).split('\n')
  assert.ok(lines.every((line) => line.length <= 80))
  assert.ok(shell(bench, 'hold dir history project').stdout.includes('m'.repeat(200)))
})

test('a defect shows no stack unless HOLDFAST_DEBUG asks for it', () => {
  using bench = new Workbench()
  const line = 'hold dir init project --store s3://'
  assert.ok(!shell(bench, line).stderr.includes('    at '))
  assert.match(shell(bench, line, { HOLDFAST_DEBUG: '1' }).stderr, /Failure: [\s\S]* {4}at /)
})
