import assert from 'node:assert/strict'
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { findCgroupHierarchy } from '@holdfast/generations/volume/cgroup-hierarchy'
import { Workbench } from '../workbench.fixture.ts'

test('doctor says what this machine gives, for people and for programs', async () => {
  using bench = new Workbench()
  const { exitCode, stdout } = await bench.hold('doctor')
  assert.equal(exitCode, 0)
  assert.match(stdout, /^ok +Node +\d+\./m)
  assert.match(stdout, /^ok +native companion +answers/m)
  assert.match(stdout, /This machine gives (btrfs|live) volumes/)
  const report = await bench.json('doctor')
  assert.ok(
    typeof report === 'object' && report !== null && 'findings' in report && Array.isArray(report.findings),
  )
  for (const finding of report.findings)
    assert.equal(finding.mend === null, finding.state === 'ok', finding.name)
})

test('a cgroup that an ended watch left frozen is found, and --fix thaws it', async () => {
  using bench = new Workbench()
  const parent = findCgroupHierarchy([1])?.freezer
  assert.ok(parent, 'this test needs the freezer of cgroup version 1 and root')
  const cgroup = join(parent, 'ws_left-behind-by-doctor-test')
  mkdirSync(cgroup)
  try {
    writeFileSync(join(cgroup, 'freezer.state'), 'FROZEN')
    const found = await bench.hold('doctor', '-q')
    assert.match(found.stdout, /^stale freezes$/m)
    const fixed = await bench.hold('doctor', '--fix', '-q')
    assert.ok(!fixed.stdout.includes('stale freezes'), fixed.stdout)
  } finally {
    rmdirSync(cgroup)
  }
})

test('config shows every setting and where it came from', async () => {
  using bench = new Workbench()
  const text = await bench.printed('config')
  assert.match(text, /^home +\S+ +HOLDFAST_HOME +HOLDFAST_HOME$/m)
  const settings = await bench.json('config')
  assert.deepEqual(settings, JSON.parse(JSON.stringify(settings)))
  assert.ok(typeof settings === 'object' && settings !== null && 's3Credentials' in settings)
})

test('version names the versions that matter', async () => {
  using bench = new Workbench()
  assert.match(await bench.printed('version'), /^hold \d+\.\d+\.\d+ \(Node \d+.*, SQLite \d+/)
})
