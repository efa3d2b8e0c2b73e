import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { ROOT } from './repository-files.ts'

let home = ''

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'holdfast-scripts-'))
})
afterEach(() => {
  rmSync(home, { recursive: true })
})

/** Runs a program without a terminal; `environment` is laid over ours. */
function run(command: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const { NODE_TEST_CONTEXT: _, ...ours } = process.env
  const result = spawnSync(command, args, { env: { ...ours, ...environment }, encoding: 'utf8' })
  return { status: result.status, output: result.stdout + result.stderr }
}

function program(path: string, script: string): void {
  writeFileSync(join(home, path), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
}

/** A checkout that consists of bin/hold and, perhaps, of a Node that prints how it was called. */
function checkout(hasNode: boolean): void {
  mkdirSync(join(home, 'checkout/bin'), { recursive: true })
  cpSync(join(ROOT, 'bin/hold'), join(home, 'checkout/bin/hold'))
  const node = `checkout/node_modules/node-linux-${process.arch}/bin`
  mkdirSync(join(home, node), { recursive: true })
  if (hasNode) program(`${node}/node`, `printf '%s\\n' "$@"; exit 7`)
}

test('hold finds its checkout through relative and absolute links, and passes arguments and status on', () => {
  checkout(true)
  mkdirSync(join(home, 'links'))
  symlinkSync('../checkout/bin/hold', join(home, 'links/first'))
  symlinkSync(join(home, 'links/first'), join(home, 'hold'))
  const { status, output } = run(join(home, 'hold'), ['dir', 'a b'])
  assert.equal(status, 7)
  assert.deepEqual(output.trimEnd().split('\n').slice(1), [
    join(home, 'checkout/packages/cli/src/main.js'),
    'dir',
    'a b',
  ])
})

test('hold in a checkout that is not set up says what to run and exits 125', () => {
  checkout(false)
  const { status, output } = run(join(home, 'checkout/bin/hold'), [])
  assert.equal(status, 125)
  assert.match(output, /bin\/quickstart/)
})

const OUTCOMES: readonly (readonly [body: string, status: number, output: RegExp])[] = [
  [`test('a', () => {})`, 0, /1 tests, 1 passed, 0 failed, 0 skipped, 0 to do, in \d+ s/],
  [`test('a', () => { throw new Error('no') })`, 1, /1 tests, 0 passed, 1 failed/],
  [`test('a', { skip: 'no root' }, () => {})`, 1, /no root[\s\S]*were skipped/],
  [`test('a', { todo: true }, () => {})`, 1, /1 to do[\s\S]*left to do/],
]

for (const [body, status, output] of OUTCOMES) {
  test(`run-tests.sh exits ${status} for ${body}`, () => {
    const file = join(home, 'a.test.mjs')
    writeFileSync(file, `import { test } from 'node:test'\n${body}\n`)
    const result = run('sh', [join(ROOT, 'tools/run-tests.sh'), file])
    assert.match(result.output, output)
    assert.equal(result.status, status)
  })
}

/** Runs the set-up of system packages where one of them is missing, under a user id, beside an apt-get that tells. */
function setUpSystem(yes: 0 | 1, uid: number, environment: Readonly<Record<string, string>> = {}) {
  mkdirSync(join(home, 'bin'))
  program('bin/id', `echo ${uid}`)
  program('bin/apt-get', 'echo "apt-get $*"')
  const packages = `system_packages() { echo 'absent|command -v absent-program|shows this'; echo 'dash|command -v sh|runs'; }`
  const script = `. ${ROOT}/tools/setup.sh; ${packages}; set_up_system ${yes}; echo on`
  return run('sh', ['-c', script], { CI: '', PATH: `${home}/bin:${process.env.PATH}`, ...environment })
}

test('a missing package is announced with its reason and, with --yes, installed', () => {
  const { status, output } = setUpSystem(1, 0)
  assert.match(output, /absent +shows this/)
  assert.match(output, /apt-get update[\s\S]*apt-get install -y -qq --no-install-recommends absent\n/)
  assert.doesNotMatch(output, /dash/)
  assert.equal(status, 0)
})

test('in CI a missing package is installed without asking', () => {
  assert.match(setUpSystem(0, 0, { CI: 'true' }).output, /apt-get install/)
})

test('without a terminal, --yes or CI nothing is installed, and the set-up exits 125', () => {
  const { status, output } = setUpSystem(0, 0)
  assert.match(output, /absent +shows this/)
  assert.doesNotMatch(output, /apt-get install|^on$/m)
  assert.equal(status, 125)
})

test('a user who is not root is told what is missing, and the set-up goes on', () => {
  const { status, output } = setUpSystem(1, 1000)
  assert.match(output, /absent +shows this/)
  assert.doesNotMatch(output, /apt-get install/)
  assert.match(output, /^on$/m)
  assert.equal(status, 0)
})

test('without npm and node_modules the set-up says so and exits 125', () => {
  const { status, output } = run('sh', [
    '-c',
    `. ${ROOT}/tools/setup.sh; cd ${home}; PATH=/nowhere; set_up_modules`,
  ])
  assert.match(output, /npm is missing/)
  assert.equal(status, 125)
})

test('modules are installed when they are missing or older than the lock file, and only then', () => {
  mkdirSync(join(home, 'bin'))
  program('bin/npm', 'echo "npm $*"; mkdir -p node_modules; touch node_modules/.package-lock.json')
  const script = `. ${ROOT}/tools/setup.sh; cd ${home}; touch -d '2 hours ago' package-lock.json
    set_up_modules; echo again; set_up_modules
    touch -d '1 hour ago' node_modules/.package-lock.json; touch package-lock.json; echo newer; set_up_modules`
  const { output } = run('sh', ['-c', script], { PATH: `${home}/bin:${process.env.PATH}` })
  assert.equal(output, 'npm ci --loglevel=silent\nagain\nnewer\nnpm ci --loglevel=silent\n')
})

test('what only tests need is not asked of those who only look', () => {
  const lists = `system_packages() { echo 'a|false|x'; }; test_packages() { echo 'b|false|y'; }`
  const missing = (tests: 0 | 1) =>
    run('sh', ['-c', `. ${ROOT}/tools/setup.sh; ${lists}; missing_packages ${tests}`]).output
  assert.equal(missing(0), 'a|x\n')
  assert.equal(missing(1), 'a|x\nb|y\n')
})

test('a native program is built again only after a change, and stays where the change does not compile', () => {
  const native = join(home, 'packages/a/native')
  mkdirSync(native, { recursive: true })
  mkdirSync(join(home, 'tools'))
  cpSync(join(ROOT, 'tools/build-native.sh'), join(home, 'tools/build-native.sh'))
  const script = [
    'set -eu',
    'root=$(cd "$(dirname "$0")/../../.." && pwd)',
    '. "$root/tools/build-native.sh"',
    'build_native one compile -O0',
  ]
  const build = join(native, 'build.sh')
  writeFileSync(build, script.join('\n'))
  const made = join(home, 'build/one')
  /** Each version is later than what was built of the one before. */
  const write = (source: string, laterMs: number) => {
    const at = new Date(statSync(build).mtimeMs + laterMs)
    writeFileSync(join(native, 'main.c'), source)
    utimesSync(join(native, 'main.c'), at, at)
  }
  write('int main(void) { return 3; }', 0)
  assert.equal(run('sh', [build], { CC: 'no-such-compiler' }).status, 1)
  assert.deepEqual(run('sh', [build]), { status: 0, output: '' })
  assert.equal(run(made, []).status, 3)
  assert.equal(run('sh', [build], { CC: 'false' }).status, 0)
  write('int main(void) { return missing; }', 60_000)
  assert.equal(run('sh', [build]).status, 1)
  assert.equal(run(made, []).status, 3)
  assert.deepEqual(readdirSync(join(home, 'build')), ['one'])
})
