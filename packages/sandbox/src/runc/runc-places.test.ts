import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { systemRandomness } from '@holdfast/base/randomness'
import { SANDBOX_SPEC_DEFAULT, type SystemSpec } from '@holdfast/protocol/sandbox-spec'
import { BTRFS_IMAGE_BYTES_MIN, withBtrfsImage } from '@holdfast/testkit/btrfs-image'
import { bootMs, run } from '@holdfast/testkit/runtime-bench'
import { installedPrograms } from '../native-programs.ts'
import { makeKeptSystem } from '../system/kept-system.ts'
import { RuncRuntime } from './runc-runtime.ts'

const USER = 1000
const LIFE_MS = 30_000

function scratch(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-places-'))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  return home
}

let started = 0

function ordered(
  home: string,
  volumePath: string,
  { system, node }: { system?: SystemSpec; node?: string } = {},
) {
  const programs = { ...installedPrograms(), ...(node === undefined ? {} : { node }) }
  const runtime = new RuncRuntime({
    clock: systemClock,
    randomness: systemRandomness,
    programs,
    openFilesMax: 4096,
  })
  started += 1
  const id = `p${process.pid}-${started}`
  const spec = { ...SANDBOX_SPEC_DEFAULT, ...(system && { system }) }
  const request = { id, folder: join(home, id), spec, volumePath, deadlineBootMs: bootMs() + LIFE_MS }
  return { runtime, request }
}

function start(...order: Parameters<typeof ordered>) {
  const { runtime, request } = ordered(...order)
  return runtime.start(request)
}

function makeVolume(path: string): string {
  mkdirSync(path)
  chownSync(path, USER, USER)
  return path
}

test('a btrfs subvolume is a volume: its files are the same user in every sandbox', async (t) => {
  await withBtrfsImage(BTRFS_IMAGE_BYTES_MIN, async (mounted) => {
    const volume = join(mounted, 'volume')
    execFileSync('btrfs', ['-q', 'subvolume', 'create', volume])
    chownSync(volume, USER, USER)
    const home = scratch(t)
    await using one = await start(home, volume)
    await using other = await start(home, volume)
    await run(one, 'echo of-one > file')
    const ran = await run(other, 'echo more >> file && cat file && stat -c %U file')
    assert.equal(ran.stdout, 'of-one\nmore\nuser\n', ran.stderr)
    assert.equal(statSync(join(volume, 'file')).uid, USER)
  })
})

test('folders, volumes and programs may lie where only root can go', async (t) => {
  const home = join(scratch(t), 'private')
  mkdirSync(home, { mode: 0o700 })
  const node = join(home, 'node')
  execFileSync('cp', [process.execPath, node])
  await using sandbox = await start(home, makeVolume(join(home, 'volume')), { node })
  assert.equal((await run(sandbox, 'touch made && node -p 1+1')).stdout, '2\n')
})

test('a directory is a system, read-only, whatever it lacks and wherever its links lead', async (t) => {
  const home = scratch(t)
  const system = join(home, 'system')
  mkdirSync(join(system, 'bin'), { recursive: true })
  mkdirSync(join(system, 'opt'))
  execFileSync('cp', ['-L', installedPrograms().holdinit, join(system, 'bin/hold-copy')])
  symlinkSync('/etc/shadow', join(system, 'escape'))
  chmodSync(system, 0o700)
  await using sandbox = await start(home, makeVolume(join(home, 'volume')), {
    system: { kind: 'directory', path: system },
  })
  assert.equal((await run(sandbox, ['/bin/hold-copy'])).exitCode === 0, false)
  assert.equal((await run(sandbox, ['hold', 'fsync'])).stdout, 'relaxed\n')
  await assert.rejects(run(sandbox, ['/escape']), (error) => isFailure(error, 'exec-failed'))
  assert.deepEqual(readdirSync(join(system, 'opt')), [])
})

for (const systemWrites of ['discarded', 'kept'] as const)
  test(`a directory that can be written stays what it is, and its links lead nowhere (${systemWrites})`, async (t) => {
    const home = scratch(t)
    const system = join(home, 'system')
    for (const path of ['bin', 'opt', 'data']) mkdirSync(join(system, path), { recursive: true })
    const libraries = execFileSync('ldd', ['/bin/dash'], { encoding: 'utf8' }).match(/\/\S+/g) ?? []
    execFileSync('cp', ['-L', '--parents', ...libraries, system])
    execFileSync('cp', ['-L', '/bin/dash', join(system, 'bin/sh')])
    symlinkSync('/data', join(system, 'run'))
    symlinkSync('/etc/shadow', join(system, 'escape'))
    const volumePath = makeVolume(join(home, 'volume'))
    const { runtime, request } = ordered(home, volumePath, { system: { kind: 'directory', path: system } })
    if (systemWrites === 'kept') makeKeptSystem(volumePath)
    await using sandbox = await runtime.start({ ...request, spec: { ...request.spec, systemWrites } })
    const script =
      'echo x > /opt/x && echo y > /y && read x < /opt/x && read y < /y && echo $x$y; read z < /escape; echo $z /data/*'
    assert.equal((await run(sandbox, ['/bin/sh', '-c', script])).stdout, 'xy\n/data/*\n')
    assert.deepEqual(readdirSync(join(system, 'opt')), [])
    assert.deepEqual(readdirSync(join(system, 'data')), [])
  })

test('a pack is mounted on no link, and on nothing behind one', async (t) => {
  const home = scratch(t)
  const volumePath = makeVolume(join(home, 'volume'))
  const packs = [{ name: 'tools', root: makeVolume(join(home, 'content')) }]
  const outside = makeVolume(join(home, 'outside'))
  const { runtime, request } = ordered(home, volumePath)
  for (const [target, link] of [
    ['/tmp', join(volumePath, 'packs')],
    [outside, join(volumePath, 'packs', 'tools')],
  ] as const) {
    symlinkSync(target, link)
    await assert.rejects(runtime.start({ ...request, packs }), (error) => isFailure(error, 'sandbox-failed'))
    rmSync(link)
    if (!existsSync(join(volumePath, 'packs'))) makeVolume(join(volumePath, 'packs'))
  }
  assert.deepEqual(readdirSync(outside), [])
})

test('a system that is no directory is refused, and a sandbox that cannot start leaves nothing', async (t) => {
  const home = scratch(t)
  const volume = makeVolume(join(home, 'volume'))
  await assert.rejects(start(home, volume, { system: { kind: 'directory', path: '/no/such' } }), (error) =>
    isFailure(error, 'invalid-argument'),
  )
  await assert.rejects(start(home, join(home, 'no-volume')), (error) => isFailure(error, 'sandbox-failed'))
  assert.deepEqual(readdirSync(home), ['volume'])
})

test('a machine with runc has nothing to say against it, one without the programs names what is missing', async () => {
  const deps = { clock: systemClock, randomness: systemRandomness, openFilesMax: 4096 }
  assert.equal(await new RuncRuntime({ ...deps, programs: installedPrograms() }).probe(), null)
  const programs = { ...installedPrograms(), holdinit: '/no/such/holdinit' }
  assert.match((await new RuncRuntime({ ...deps, programs }).probe()) ?? '', /holdinit is missing/)
})
