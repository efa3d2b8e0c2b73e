import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SANDBOX_SPEC_DEFAULT, type SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import { type OciRequest, ociConfig } from './oci-config.ts'

const request = (spec: Partial<SandboxSpec> = {}, change: Partial<OciRequest> = {}): OciRequest => ({
  spec: { ...SANDBOX_SPEC_DEFAULT, ...spec },
  plan: {
    directories: [],
    links: {},
    files: {},
    binds: [{ source: '/usr', target: '/usr', kind: 'directory' }],
    hidden: ['/usr/local'],
  },
  root: '/somewhere/root',
  argv: ['/init'],
  environment: {},
  mounts: [],
  firstUid: 265_536,
  cgroupsPath: '/holdfast/one',
  hasSwapLimit: true,
  openFilesMax: 1024,
  architecture: 'x64',
  ...change,
})

test('pid 1 has what it needs to become others, and what root may do only where it is allowed', () => {
  const capabilities = (spec?: Partial<SandboxSpec>) => ociConfig(request(spec)).process.capabilities
  const few = ['CAP_SETUID', 'CAP_SETGID', 'CAP_KILL', 'CAP_SETPCAP']
  assert.deepEqual(capabilities().bounding, few)
  assert.deepEqual(capabilities({ allowRoot: true }).permitted, [
    ...few,
    ...['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER'],
  ])
  assert.deepEqual([capabilities().ambient, capabilities().inheritable], [[], []])
  assert.equal(ociConfig(request()).process.noNewPrivileges, true)
})

test('every mount is nosuid, and what the host shows is read-only and without mounts below', () => {
  const { mounts, root } = ociConfig(request())
  for (const { destination, options } of mounts) assert.ok(options.includes('nosuid'), destination)
  const usr = mounts.find(({ destination }) => destination === '/usr')
  assert.ok(usr?.options.includes('ro') && usr.options.includes('bind') && !usr.options.includes('rbind'))
  assert.equal(root.readonly, true)
  assert.equal(
    mounts.find(({ destination }) => destination.startsWith('/sys')),
    undefined,
  )
})

test('it has every namespace, ids of its own, and limits without swap', () => {
  const { linux } = ociConfig(request({ limits: { ...SANDBOX_SPEC_DEFAULT.limits, cpus: 0.5, pids: 77 } }))
  assert.deepEqual(linux.namespaces.map(({ type }) => type).sort(), [
    ...['cgroup', 'ipc', 'mount', 'network', 'pid', 'user', 'uts'],
  ])
  assert.deepEqual(linux.uidMappings, [{ containerID: 0, hostID: 265_536, size: 65_536 }])
  assert.deepEqual(linux.gidMappings, linux.uidMappings)
  const { memory, pids, cpu } = linux.resources
  assert.equal(memory.swap, memory.limit)
  assert.equal(pids.limit, 77)
  assert.equal(cpu.quota, cpu.period / 2)
  const { memory: unswapped } = ociConfig(request({}, { hasSwapLimit: false })).linux.resources
  assert.equal('swap' in unswapped, false)
})

test('no command gets more open files than this process may grant', () => {
  const files = (most: number) =>
    ociConfig(request({}, { openFilesMax: most })).process.rlimits.find(
      ({ type }) => type === 'RLIMIT_NOFILE',
    )?.hard
  assert.equal(files(1024), 1024)
  assert.equal(files(1_000_000), SANDBOX_SPEC_DEFAULT.limits.openFiles)
})
