import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BANS, bannedTextFindings } from './banned-text.ts'

const PRODUCTION = 'packages/generations/src/a.ts'

const CAUGHT: readonly (readonly [what: string, text: string, path?: string])[] = [
  ['Date.now()', 'const at = Date.now()'],
  ['Date.now()', 'const at = new Date()', 'packages/generations/src/a.test.ts'],
  ['performance.now()', 'const at = performance.now()'],
  ['setTimeout()', 'setTimeout(() => {}, 10)'],
  ['node:timers', `import { setTimeout as delay } from 'node:timers/promises'`],
  ['Math.random()', 'const a = Math.random()', 'bench/run.ts'],
  ['random bytes of node:crypto', 'const id = randomUUID()'],
  ['process.env', 'const home = process.env.HOME'],
  ['console.log()', 'console.log(1)'],
  ['exec() of a template', 'execSync(`ls `)'],
  ['exec() of a template', `child_process.exec('ls')`],
  ['FIXME', '// TODO: later'],
  ['FIXME', '# FIXME', 'bin/test'],
  ["a developer's path", `const path = '/home/ada/holdfast/build'`],
  ["a developer's path", 'cd /Users/ada/holdfast', 'README.md'],
  ['a registry host', '"resolved": "https://example.org/a.tgz"', 'package-lock.json'],
  ['a registry host', 'npm config set registry https://registry.npmjs.org', 'README.md'],
]

for (const [what, text, path = PRODUCTION] of CAUGHT) {
  test(`${what} is caught in ${path} that says ${JSON.stringify(text)}`, () => {
    const findings = bannedTextFindings([{ path, text }])
    assert.equal(findings.length, 1)
    assert.ok(findings[0]?.startsWith(`${path}:1 has ${what}: write `))
  })
}

const ALLOWED: readonly (readonly [text: string, path?: string])[] = [
  ['// not Date.now()\nconst a = "Math.random()"'],
  ['new Date(row.createdAt)'],
  ['wallMs: () => Date.now()', 'packages/base/src/clock.ts'],
  ['performance.now()', 'bench/run.ts'],
  ['const value = process.env.HOLDFAST_LONG', 'packages/generations/src/a.test.ts'],
  ['const value = process.env', 'packages/server/src/config.ts'],
  ['console.log(1)', 'packages/cli/src/main.ts'],
  ['console.log(seed)', 'packages/generations/src/a.fuzz.ts'],
  ['database.exec(`PRAGMA user_version = 1`)'],
  ['const found = /a/.exec(text)'],
  ["mkdtemp('/tmp/a-XXXXXX')"],
  ['the workspace is at /workspace/src/a', 'README.md'],
  ['"resolved": "packages/base"', 'package-lock.json'],
]

for (const [text, path = PRODUCTION] of ALLOWED) {
  test(`${path} may say ${JSON.stringify(text)}`, () => {
    assert.deepEqual(bannedTextFindings([{ path, text }]), [])
  })
}

test('every ban is shown to catch something', () => {
  const shown = new Set(CAUGHT.map(([what]) => what))
  assert.deepEqual(
    BANS.filter((ban) => !shown.has(ban.what)),
    [],
  )
})
