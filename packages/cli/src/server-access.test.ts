import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type ApiDouble, startApiDouble } from '@holdfast/testkit/api-double'
import { Workbench } from './workbench.fixture.ts'

function environmentOf({ url, apiKey }: ApiDouble) {
  return { HOLDFAST_URL: url, HOLDFAST_API_KEY: apiKey }
}

function writeServerFile(bench: Workbench, text: string): void {
  mkdirSync(bench.home, { recursive: true })
  writeFileSync(join(bench.home, 'server.json'), text, { mode: 0o600 })
}

describe('the server', () => {
  test('of this machine is found by itself', async () => {
    await using double = await startApiDouble()
    using bench = new Workbench()
    writeServerFile(bench, JSON.stringify({ url: double.url, apiKey: double.apiKey }))
    await bench.printed('create', 'box')
    assert.equal(await bench.printed('ls', '-o', 'name'), 'box\n')
  })

  test('that is named goes before it, and never gets a key that is not its own', async () => {
    await using double = await startApiDouble()
    using bench = new Workbench()
    writeServerFile(bench, JSON.stringify({ url: 'http://127.0.0.1:2', apiKey: 'other' }))
    assert.equal((await bench.holdWith({ environment: environmentOf(double) }, 'ls')).exitCode, 0)
    const lacking = await bench.holdWith({ environment: { HOLDFAST_URL: double.url } }, 'ls')
    assert.match(lacking.stderr, /no key for http/)
    assert.deepEqual(double.requests, ['GET /v1/workspaces'])
  })

  test('that is not there is a failure of the platform, which says what to do', async () => {
    using bench = new Workbench()
    const none = await bench.hold('ls')
    assert.equal(none.exitCode, 125)
    assert.match(none.stderr, /no server is named.*\n {2}→ start the server with `hold up`/)
    const environment = { HOLDFAST_URL: 'http://127.0.0.1:2', HOLDFAST_API_KEY: 'x' }
    assert.equal((await bench.holdWith({ environment }, 'ls')).exitCode, 125)
    writeServerFile(bench, '{}')
    assert.match((await bench.hold('ls', '-o', 'json')).stderr, /"foreign-format"/)
  })

  test('is told in the settings, its key is not', async () => {
    using bench = new Workbench()
    const environment = { HOLDFAST_URL: 'http://box.test', HOLDFAST_API_KEY: 'hk_very_secret' }
    for (const form of ['table', 'json', 'yaml']) {
      const { stdout } = await bench.holdWith({ environment }, 'config', '-o', form)
      assert.match(stdout, /http:\/\/box\.test/)
      assert.ok(!stdout.includes('hk_very_secret'))
    }
  })
})

test('the beginning of an id serves where it is of one workspace only', async () => {
  await using double = await startApiDouble()
  using bench = new Workbench()
  const hold = (...words: readonly string[]) =>
    bench.holdWith({ environment: environmentOf(double) }, ...words)
  await hold('create', 'a')
  await hold('create', 'b')
  const several = await hold('inspect', 'ws_')
  assert.equal(several.exitCode, 1)
  const [id = ''] = double.workspaces.keys()
  assert.match((await hold('inspect', id.slice(0, 14))).stdout, /^Workspace a\n/)
})

test('a terminal tells its size, and the key that ends a line reaches the command', async () => {
  await using double = await startApiDouble()
  using bench = new Workbench()
  const environment = environmentOf(double)
  await bench.holdWith({ environment }, 'create', 'box')
  const size = { columns: 91, rows: 33 }
  const shell = await bench.holdWith(
    { environment, size, input: [new TextEncoder().encode('echo "<"$TERM">"; exit 4\n')] },
    'exec',
    '-it',
    'box',
    '--',
    'sh',
  )
  assert.equal(shell.exitCode, 4)
  assert.match(shell.stdout, /<xterm-256color>/)
  const [exec] = double.workspace('box').execs.values()
  assert.deepEqual(exec?.sizes, [size, { columns: 100, rows: 40 }])
})
