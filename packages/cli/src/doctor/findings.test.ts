import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeMachine, verdictOf } from './findings.ts'
import type { MachineFacts } from './machine-facts.ts'
import { fixesOf } from './mend-machine.ts'
import { sandboxLine, weakerWarning } from './sandbox-line.ts'

const GOOD: MachineFacts = {
  nodeVersion: '24.21.0',
  sqliteVersion: '3.53.4',
  isRoot: true,
  hasApt: true,
  nativeTrouble: null,
  hasCompiler: true,
  userNamespaces: true,
  freezer: { version: 1, path: '/sys/fs/cgroup/freezer' },
  loopDevices: true,
  btrfs: { inKernel: true, hasProgs: true, hasSimpleQuotas: true },
  runtimes: [
    { kind: 'runc', version: '1.3.3', trouble: null },
    { kind: 'bwrap', version: '0.8.0', trouble: null },
    { kind: 'runsc', version: 'release-20260101.0', trouble: null },
  ],
  systemSqlite: [{ program: 'sqlite3', version: '3.51.3' }],
  disk: { path: '/', freeBytes: 50e9, totalBytes: 100e9 },
  frozenCgroups: [],
}

function runcIs(version: string | null, trouble: string | null = null): Partial<MachineFacts> {
  return { runtimes: [{ kind: 'runc', version, trouble }, ...GOOD.runtimes.slice(1)] }
}

/** Each fact that is bad, the line that says so, and what it costs. */
const BAD: readonly [Partial<MachineFacts>, name: string, state: 'lacking' | 'missing'][] = [
  [{ nodeVersion: '22.1.0' }, 'Node', 'missing'],
  [{ sqliteVersion: '3.51.2' }, 'SQLite of Node', 'missing'],
  [{ nativeTrouble: 'not built' }, 'native companion', 'missing'],
  [{ nativeTrouble: 'not built', hasCompiler: false }, 'native companion', 'missing'],
  [{ isRoot: false }, 'root', 'lacking'],
  [{ freezer: null }, 'cgroup freezer', 'lacking'],
  [{ frozenCgroups: ['/sys/fs/cgroup/freezer/holdfast/x'] }, 'stale freezes', 'lacking'],
  [{ loopDevices: false }, 'loop devices', 'lacking'],
  [{ btrfs: { ...GOOD.btrfs, inKernel: false } }, 'btrfs', 'lacking'],
  [{ btrfs: { ...GOOD.btrfs, hasProgs: false } }, 'btrfs', 'lacking'],
  [{ btrfs: { ...GOOD.btrfs, hasSimpleQuotas: false } }, 'simple quotas', 'lacking'],
  [{ userNamespaces: false }, 'user namespaces', 'lacking'],
  [runcIs('1.1.5+ds1'), 'runc', 'lacking'],
  [runcIs('1.3.2'), 'runc', 'lacking'],
  [runcIs('1.4.0-rc.2'), 'runc', 'lacking'],
  [runcIs(null, 'not installed'), 'runc', 'lacking'],
  [runcIs('1.3.3', 'no user namespaces'), 'runc', 'lacking'],
  [{ systemSqlite: [{ program: 'python3', version: '3.40.1' }] }, 'SQLite of python3', 'lacking'],
  [{ disk: { path: '/', freeBytes: 1e9, totalBytes: 100e9 } }, 'disk of the home', 'lacking'],
  [{ disk: { path: '/', freeBytes: 9e9, totalBytes: 100e9 } }, 'disk of the home', 'lacking'],
]

test('a machine that has everything gets no advice', () => {
  const findings = judgeMachine(GOOD)
  assert.ok(findings.every(({ state, mend }) => state === 'ok' && mend === undefined))
  assert.deepEqual(verdictOf(GOOD, findings), {
    sandboxes: 'sandboxes: runc (shared kernel) · volumes: btrfs · fsync relaxed · full',
    ...{ volume: 'btrfs', consistency: 'cut', works: true },
  })
  assert.deepEqual(fixesOf(findings), [])
})

test('each thing that is not there is named, with one command that mends it', () => {
  for (const [bad, name, state] of BAD) {
    const findings = judgeMachine({ ...GOOD, ...bad })
    const wrong = findings.filter((finding) => finding.state !== 'ok')
    assert.deepEqual(
      wrong.map((finding) => [finding.name, finding.state]),
      [[name, state]],
    )
    assert.ok(wrong[0]?.mend?.line)
    assert.equal(verdictOf({ ...GOOD, ...bad }, findings).works, state !== 'missing')
  }
})

test('releases of runc that mend its escapes are good', () => {
  for (const version of ['1.2.8', '1.2.10', '1.3.3', '1.4.0', '1.4.0-rc.3', '1.5.0', '2.0.0']) {
    const found = judgeMachine({ ...GOOD, ...runcIs(version) }).find(({ name }) => name === 'runc')
    assert.equal(found?.state, 'ok', version)
  }
})

test('the line of hold up says what is lacking', () => {
  assert.match(
    sandboxLine({ runtimes: ['runc'], volume: 'live', isRoot: true }),
    /· changes are found by scanning$/,
  )
  assert.match(
    sandboxLine({ runtimes: ['runsc'], volume: 'btrfs', isRoot: true }),
    /sandboxed kernel.*fsync native · full$/,
  )
  assert.match(
    sandboxLine({ runtimes: ['none'], volume: 'live', isRoot: true }),
    /NO ISOLATION: the container is the sandbox/,
  )
  assert.match(sandboxLine({ runtimes: [], volume: 'live', isRoot: true }), /`hold up` refuses/)
})

test('where root has no runc, doctor and hold up say that sandboxes isolate less, and what to install', () => {
  const facts = { ...GOOD, ...runcIs(null, 'not installed') }
  const findings = judgeMachine(facts)
  assert.match(
    verdictOf(facts, findings).sandboxes,
    /bwrap .* WEAKER THAN RUNC: a way out of a sandbox is root/,
  )
  assert.match(findings.find(({ name }) => name === 'bwrap')?.gives ?? '', /a way out is root/)
  assert.equal(findings.find(({ name }) => name === 'runc')?.mend?.line, 'apt-get install -y runc')
  const refused = [{ kind: 'runc', trouble: 'not installed' }] as const
  const warned = weakerWarning({ runtimes: ['bwrap'], isRoot: true }, refused)
  assert.match(warned ?? '', /^WARNING: runc does not work here \(not installed\).*apt-get install -y runc/)
  assert.equal(weakerWarning({ runtimes: ['runc'], isRoot: true }, []), null)
  assert.equal(weakerWarning({ runtimes: ['bwrap'], isRoot: true }, []), null, 'it was asked for by name')
  assert.equal(
    weakerWarning({ runtimes: ['bwrap'], isRoot: false }, refused),
    null,
    'it is all that a user gets',
  )
})

test('btrfs volumes need root, kernel, tools and loop devices', () => {
  for (const bad of [
    { isRoot: false },
    { loopDevices: false },
    { btrfs: { ...GOOD.btrfs, hasProgs: false } },
    { btrfs: { ...GOOD.btrfs, inKernel: false } },
  ]) {
    const facts = { ...GOOD, ...bad }
    assert.equal(verdictOf(facts, judgeMachine(facts)).volume, 'live')
  }
})

test('versions are compared as numbers', () => {
  for (const [sqliteVersion, state] of [
    ['3.100.0', 'ok'],
    ['3.9.9', 'missing'],
    ['4.0.0', 'ok'],
    ['3.51', 'missing'],
  ] as const) {
    const finding = judgeMachine({ ...GOOD, sqliteVersion }).find(({ name }) => name === 'SQLite of Node')
    assert.equal(finding?.state, state, sqliteVersion)
  }
})

test('only root is offered an installation, and a compiler comes before what it compiles', () => {
  const bare: MachineFacts = {
    ...GOOD,
    nativeTrouble: 'not built',
    hasCompiler: false,
    btrfs: { ...GOOD.btrfs, hasProgs: false },
    frozenCgroups: ['/x'],
  }
  assert.deepEqual(fixesOf(judgeMachine(bare)), [
    { kind: 'packages', names: ['gcc', 'libc6-dev', 'btrfs-progs'] },
    { kind: 'build-native' },
    { kind: 'thaw', cgroups: ['/x'] },
  ])
  const asUser = judgeMachine({ ...bare, isRoot: false, frozenCgroups: [] })
  assert.deepEqual(fixesOf(asUser), [])
  assert.ok(asUser.some(({ mend }) => mend?.line.startsWith('sudo apt-get install')))
})
