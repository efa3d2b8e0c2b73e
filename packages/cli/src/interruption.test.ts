import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { SqliteGenerationIndex } from '@holdfast/generations/index/sqlite-generation-index'
import { noise } from '@holdfast/testkit/noise'
import type { Ran } from './workbench.fixture.ts'
import { Workbench } from './workbench.fixture.ts'

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url))
const BEGUN_MS_MAX = 20_000

const bench = new Workbench()
before(async () => {
  for (let file = 0; file < 24; file++) bench.write(`large-${file}`, noise(file, 4 << 20))
  for (let file = 0; file < 1500; file++) bench.write(`d${file % 50}/f${file}`, `file ${file}`)
  await bench.printed('dir', 'init', bench.project)
  await bench.printed('dir', 'commit', bench.project)
  await bench.printed('dir', 'export', bench.project, join(bench.path, 'whole.hold'))
})
after(() => bench[Symbol.dispose]())

/** Runs a command line in a process of its own, and sends it a signal as soon as `hasBegun`; its last words are kept. */
async function interrupted(
  signal: NodeJS.Signals,
  hasBegun: () => boolean,
  ...words: readonly string[]
): Promise<Ran> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOLDFAST_HOME: bench.home },
  })
  const output = Promise.all([text(child.stdout), text(child.stderr)])
  const exit = once(child, 'exit')
  for (let waitedMs = 0; !hasBegun() && child.exitCode === null && waitedMs < BEGUN_MS_MAX; waitedMs++)
    await sleep(1)
  child.kill(signal)
  const [exitCode] = await exit
  const [stdout, stderr] = await output
  return { exitCode, stdout, stderr: `${stderr.trimEnd().split('\n').at(-1)}` }
}

const beside = () => readdirSync(bench.path).sort()
const storeBytes = () => readdirSync(join(bench.home, 'store'), { recursive: true }).length
const found = (part: string) => () => beside().some((name) => name.includes(part))

async function workspaces(): Promise<number> {
  const [org = ''] = readdirSync(join(bench.home, 'orgs'))
  await using index = await SqliteGenerationIndex.open({
    path: join(bench.home, 'orgs', org, 'index.sqlite'),
    mustExist: true,
  })
  return (await index.workspaces(org)).length
}

describe('a command that is told to end leaves nothing unfinished behind', () => {
  test('a restore, by Ctrl-C', async () => {
    const known = beside()
    const to = join(bench.path, 'restored')
    const ran = await interrupted('SIGINT', found('.restoring-'), 'dir', 'restore', bench.project, '--to', to)
    assert.deepEqual([ran.exitCode, ran.stdout, ran.stderr], [130, '', 'hold: interrupted while restoring'])
    assert.deepEqual(beside(), known)
  })

  test('a fork, by SIGTERM', async () => {
    const known = beside()
    const to = join(bench.path, 'forked')
    const ran = await interrupted('SIGTERM', found('.restoring-'), 'dir', 'fork', bench.project, to)
    assert.deepEqual([ran.exitCode, ran.stderr], [143, 'hold: interrupted while forking'])
    assert.deepEqual(beside(), known)
    assert.equal(await workspaces(), 1)
  })

  test('an export, by Ctrl-C', async () => {
    const known = beside()
    const file = join(bench.path, 'part.hold')
    const ran = await interrupted('SIGINT', found('.partial'), 'dir', 'export', bench.project, file)
    assert.deepEqual([ran.exitCode, ran.stderr], [130, 'hold: interrupted while exporting'])
    assert.deepEqual(beside(), known)
  })

  test('an import, by SIGTERM, of which no workspace stays', async () => {
    const known = beside()
    const objects = storeBytes()
    const words = ['dir', 'import', join(bench.path, 'whole.hold'), join(bench.path, 'imported')]
    const ran = await interrupted('SIGTERM', () => storeBytes() > objects, ...words)
    assert.deepEqual([ran.exitCode, ran.stderr], [143, 'hold: interrupted while importing'])
    assert.deepEqual(beside(), known)
    assert.equal(await workspaces(), 1)
    assert.equal(readdirSync(join(bench.home, 'dirs')).length, 1)
  })

  test('a commit, by Ctrl-C, after which the next one holds everything', async () => {
    for (let file = 0; file < 24; file++) bench.write(`more-${file}`, noise(100 + file, 4 << 20))
    const objects = storeBytes()
    const ran = await interrupted('SIGINT', () => storeBytes() > objects, 'dir', 'commit', bench.project)
    assert.deepEqual([ran.exitCode, ran.stderr], [130, 'hold: interrupted while committing'])
    assert.match(await bench.printed('dir', 'history', bench.project, '-q'), /^[0-9a-f]{64}\n$/)
    assert.match(await bench.printed('dir', 'commit', bench.project), /^Committed generation 2/)
  })
})

test('an import that is refused leaves no workspace behind', async () => {
  const [sealed, key, store] = ['sealed', 'key', 'other-store'].map((name) => join(bench.path, name))
  using other = new Workbench()
  other.write('a', 'a')
  await other.printed('dir', 'init', other.project, '--store', store ?? '', '--new-key', key ?? '')
  await other.printed('dir', 'commit', other.project)
  await other.printed('dir', 'export', other.project, sealed ?? '')
  const before = await workspaces()
  const ran = await bench.hold('dir', 'import', sealed ?? '', join(bench.path, 'none'))
  assert.equal(ran.exitCode, 1)
  assert.match(ran.stderr, /sealed with another key/)
  assert.equal(await workspaces(), before)
  assert.ok(!existsSync(join(bench.path, 'none')))
})
