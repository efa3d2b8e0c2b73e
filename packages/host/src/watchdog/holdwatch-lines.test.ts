import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { before, test } from 'node:test'
import { FreezerCgroup } from '@holdfast/testkit/freezer-cgroup'
import { BINARY, buildHoldwatch } from './watchdog.fixture.ts'
import { parseWatchdogLine } from './watchdog-lines.ts'

before(buildHoldwatch)

const LIMIT = { timeout: 20_000 }

/** What `holdwatch` says to these bytes, until it ends. */
async function said(bytes: string | Buffer): Promise<string[]> {
  const directory = mkdtempSync('/dev/shm/holdfast-watchdog-')
  try {
    const child = spawn(BINARY, [directory], { stdio: ['pipe', 'pipe', 'inherit'] })
    child.stdin.end(bytes)
    const text = (await child.stdout.toArray()).join('')
    return text.split('\n').slice(0, -1)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test('malformed requests are refused one by one, and the next one is heard', LIMIT, async () => {
  const long = 'x'.repeat(2000)
  const bad = [
    ['', 0],
    ['7', 7],
    ['7 watch', 7],
    ['7 watch a 1', 7],
    ['7 watch a 1 relative', 7],
    ['7 watch a 1 /sys/../etc', 7],
    ['7 watch a b/c /sys/fs/cgroup/x', 7],
    ['7 watch a -1 /nowhere', 7],
    ['7 watch a 99999999999999999999 /nowhere', 7],
    ['7 watch a/b 1 /nowhere', 7],
    [`7 watch ${'n'.repeat(65)} 1 /nowhere`, 7],
    [`7 watch a 1 /${'p'.repeat(400)}`, 7],
    ['7 watch a 1 /a /b /c', 7],
    ['7 extend a', 7],
    ['7 extend a 1 2', 7],
    ['7 forget', 7],
    ['7 dance a', 7],
    ['x forget a', 0],
    ['-1 forget a', 0],
    [long, 0],
    ['7 forget \x00a', 0],
    ['7 forget \xff', 0],
  ] as const
  const lines = await said(Buffer.from(`${bad.map(([line]) => line).join('\n')}\n8 forget a\n`, 'latin1'))
  assert.deepEqual(lines, [
    '0 ready',
    ...bad.map(([, number]) => `${number} failed malformed`),
    '8 failed unknown',
  ])
})

test('only a cgroup that can be frozen is watched: no other directory, and no root', LIMIT, async () => {
  const places = ['/tmp', '/sys/fs/cgroup/freezer', '/proc/self']
  const lines = await said(places.map((place, at) => `${at} watch a 1 ${place}\n`).join(''))
  assert.deepEqual(
    lines.slice(1),
    places.map((_, at) => `${at} failed not-a-cgroup`),
  )
})

test('a sandbox whose cgroup is gone is dead', LIMIT, async () => {
  const lines = await said('1 watch a 1 /sys/fs/cgroup/freezer/holdfast-test-gone\n')
  assert.equal(lines[1], '1 ok')
  assert.match(lines[2] ?? '', /^killed a \d+$/)
})

test('it has room for 1,024 sandboxes, and says when it is full', LIMIT, async () => {
  await using cgroup = new FreezerCgroup(1)
  const deadline = '9'.repeat(13)
  const watches = Array.from({ length: 1025 }, (_, at) => `${at} watch n${at} ${deadline} ${cgroup.path}\n`)
  const forgets = Array.from({ length: 1024 }, (_, at) => `${at} forget n${at}\n`)
  const lines = await said([...watches, ...forgets].join(''))
  assert.equal(lines.filter((line) => line.endsWith(' ok')).length, 2048)
  assert.deepEqual(
    lines.filter((line) => line.includes('failed')),
    ['1024 failed full'],
  )
})

test('lines of nobody else are taken for its own', () => {
  for (const text of [
    '',
    'killed',
    'killed a',
    'killed a b',
    '1',
    '1 okay',
    '0 found',
    '1 ok more',
    'a b c d',
    '-1 ok',
  ])
    assert.throws(() => parseWatchdogLine(text), { code: 'helper-failed' }, text)
})
