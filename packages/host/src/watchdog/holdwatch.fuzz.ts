import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'

const NATIVE = fileURLToPath(new URL('../../native', import.meta.url))
const RUNS = process.env.HOLDFAST_LONG === '1' ? 2000 : 60
const RUN_MS_MAX = 5000

const word = fc.constantFrom(
  ...['watch', 'extend', 'forget', 'kill', 'a', 'b', '', '0', '1', '-1', '9'.repeat(14), '9'.repeat(30)],
  ...['n'.repeat(64), 'n'.repeat(65), '/none', `/${'p'.repeat(318)}`, `/${'p'.repeat(319)}`, '/..', '/tmp'],
  ...['\0', '\xff', '\r', 'x'.repeat(1100)],
)
const line = fc.array(word, { maxLength: 7 }).map((words) => words.join(' '))
const lines = fc.array(line, { maxLength: 40 })
const NAMES = [
  'a',
  'b',
  '0',
  '1',
  '-1',
  '9'.repeat(14),
  '9'.repeat(30),
  'n'.repeat(64),
  'watch',
  'extend',
  'forget',
  'kill',
]

test('whatever is said to it, and whatever its mirror holds, it answers each line and ends', {
  timeout: 60_000,
}, () => {
  const directory = mkdtempSync('/dev/shm/holdfast-watchdog-')
  const binary = `${directory}/checked`
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  try {
    const checks = [
      '-std=gnu11',
      '-O1',
      '-D_GNU_SOURCE',
      '-fsanitize=address,undefined',
      '-fno-sanitize-recover=all',
    ]
    execFileSync('gcc', [...checks, '-o', binary, `${NATIVE}/cgroup.c`, `${NATIVE}/holdwatch.c`])
    const property = fc.property(lines, lines, (mirrored, requests) => {
      const head = `holdwatch 1 ${bootId}`
      writeFileSync(`${directory}/holdwatch.state`, [head, ...mirrored, ''].join('\n'), 'latin1')
      // At the end all is forgotten, so that it need not wait for deadlines.
      const all = [...requests, ...NAMES.map((name) => `7 forget ${name}`), '']
      const options = {
        input: Buffer.from(all.join('\n'), 'latin1'),
        timeout: RUN_MS_MAX,
        encoding: 'latin1',
      } as const
      const { status, stdout, stderr } = spawnSync(binary, [directory], options)
      assert.equal(status, 0, stderr)
      const answers = stdout.split('\n').filter((text) => / (ok|failed \S+)$/.test(text))
      assert.equal(answers.length, all.length - 1)
    })
    fc.assert(property, { numRuns: RUNS })
  } finally {
    rmSync(directory, { recursive: true })
  }
})
