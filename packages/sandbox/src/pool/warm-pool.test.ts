import assert from 'node:assert/strict'
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemBootClock } from '@holdfast/base/boot-clock'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { SANDBOX_SPEC_DEFAULT, type SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import { run } from '@holdfast/testkit/runtime-bench'
import { installedPrograms } from '../native-programs.ts'
import { makePackPlaces } from '../pack/make-pack-places.ts'
import { RuncRuntime } from '../runc/runc-runtime.ts'
import type { StartRequest } from '../runtime.ts'
import { makeKeptSystem } from '../system/kept-system.ts'
import { poolKey } from './pool-key.ts'
import type { Started } from './reservation.ts'
import { type Wanted, WarmPool } from './warm-pool.ts'

const USER = 1000
const LIFE_MS = 30_000
const GROUND = { clock: systemClock, randomness: systemRandomness }

function scratch(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-pool-'))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  return home
}

function runcRuntime(): RuncRuntime {
  return new RuncRuntime({ ...GROUND, programs: installedPrograms(), openFilesMax: 4096 })
}

function poolIn(home: string, sizes = { perKey: 1, keysMax: 2 }): WarmPool {
  return new WarmPool({ ...GROUND, sizes, bootMs: systemBootClock.bootMs, folder: home })
}

let volumes = 0

function requestIn(home: string, spec: SandboxSpec, lifeMs = LIFE_MS) {
  volumes += 1
  const volumePath = join(home, `volume-${volumes}`)
  mkdirSync(volumePath)
  chownSync(volumePath, USER, USER)
  writeFileSync(join(volumePath, 'name'), `of ${volumes}\n`)
  const id = `w${process.pid}-${volumes}`
  return { id, folder: join(home, id), spec, volumePath, deadlineBootMs: systemBootClock.bootMs() + lifeMs }
}

/** In a sandbox that is reserved, with the name that it has. */
async function startIn(pool: WarmPool, kind: Wanted, request: StartRequest): Promise<Started> {
  await using reserved = pool.reserve(kind)
  const { id } = reserved
  return await reserved.start({ ...request, id, folder: join(dirname(request.folder), id) })
}

const wanted = (runtime: RuncRuntime, spec = SANDBOX_SPEC_DEFAULT) => ({ runtime, spec, org: 'org_a' })

test('a sandbox that waited is claimed with the volume of its workspace, and never returns', async (t) => {
  const home = scratch(t)
  const runtime = runcRuntime()
  await using pool = poolIn(home)
  await pool.warm(wanted(runtime))
  const spec = { ...SANDBOX_SPEC_DEFAULT, environment: { COLOUR: 'green' } }
  const request = requestIn(home, spec)
  const claimed = await startIn(pool, wanted(runtime, spec), request)
  await using one = claimed.sandbox
  assert.equal(claimed.start, 'warm')
  const ran = await run(one, 'cat name; echo made > made; stat -c %U made; echo $COLOUR; pwd')
  assert.equal(
    ran.stdout,
    `${readFileSync(join(request.volumePath, 'name'), 'utf8')}user\ngreen\n/workspace\n`,
  )
  assert.equal(readFileSync(join(request.volumePath, 'made'), 'utf8'), 'made\n')
  const mounted = await run(one, 'grep " /workspace " /proc/mounts')
  assert.match(mounted.stdout, /nosuid,nodev/)

  const next = await startIn(pool, wanted(runtime), requestIn(home, SANDBOX_SPEC_DEFAULT))
  await using other = next.sandbox
  assert.equal(next.start, 'cold', 'the claimed one is not claimed again')
  assert.notEqual(other.id, one.id)
})

test('packs come with the volume: what waited has those of whoever claims it, and of nobody else', async (t) => {
  const home = scratch(t)
  const runtime = runcRuntime()
  await using pool = poolIn(home, { perKey: 2, keysMax: 1 })
  await pool.warm(wanted(runtime))
  const root = join(home, 'content')
  mkdirSync(root)
  writeFileSync(join(root, 'guide'), 'of the pack\n')
  const packs = [{ name: 'tools', source: 'a.example/tools:v1' }]
  const spec = { ...SANDBOX_SPEC_DEFAULT, packs }
  const request = requestIn(home, spec)
  makePackPlaces(request.volumePath, ['tools'])
  const claimed = await startIn(pool, wanted(runtime, spec), { ...request, packs: [{ name: 'tools', root }] })
  await using one = claimed.sandbox
  assert.equal(claimed.start, 'warm')
  assert.equal((await run(one, 'cat packs/tools/guide')).stdout, 'of the pack\n')
  assert.match((await run(one, 'grep packs/tools /proc/mounts')).stdout, / ro,nosuid,nodev/)
  const next = await startIn(pool, wanted(runtime), requestIn(home, SANDBOX_SPEC_DEFAULT))
  await using other = next.sandbox
  assert.equal(next.start, 'warm')
  assert.equal((await run(other, 'ls')).stdout, 'name\n')
})

test('a system whose writes are discarded may have waited, and one that is kept may not', async (t) => {
  const home = scratch(t)
  const runtime = runcRuntime()
  await using pool = poolIn(home)
  const discarded = { ...SANDBOX_SPEC_DEFAULT, systemWrites: 'discarded' as const }
  await pool.warm(wanted(runtime, discarded))
  const claimed = await startIn(pool, wanted(runtime, discarded), requestIn(home, discarded))
  await using one = claimed.sandbox
  assert.equal(claimed.start, 'warm')
  assert.equal((await run(one, 'echo x > /usr/x; cat /usr/x')).stdout, 'x\n')
  const kept = { ...SANDBOX_SPEC_DEFAULT, systemWrites: 'kept' as const }
  const request = requestIn(home, kept)
  makeKeptSystem(request.volumePath)
  const started = await startIn(pool, wanted(runtime, kept), request)
  await using other = started.sandbox
  assert.equal(started.start, 'cold')
  assert.equal((await run(other, 'ls /usr/x')).exitCode, 2)
})

test('a claimed sandbox has the deadline of its lease, not that of its wait', async (t) => {
  const home = scratch(t)
  const runtime = runcRuntime()
  await using pool = poolIn(home)
  await pool.warm(wanted(runtime))
  const { sandbox, start } = await startIn(pool, wanted(runtime), requestIn(home, SANDBOX_SPEC_DEFAULT, 700))
  assert.equal(start, 'warm')
  const beganAt = systemClock.monotonicMs()
  await sandbox.ended
  assert.ok(systemClock.monotonicMs() - beganAt < 5000)
})

test('what was reserved and not used waits for the next, made for it or taken from the shelf', async (t) => {
  const home = scratch(t)
  const runtime = runcRuntime()
  await using pool = poolIn(home, { perKey: 0, keysMax: 1 })
  const made: string[] = []
  for (let round = 0; round < 2; round++) {
    await using reserved = pool.reserve(wanted(runtime))
    made.push(reserved.id)
  }
  assert.deepEqual(new Set(made).size, 1)
  const { sandbox, start: kind } = await startIn(pool, wanted(runtime), requestIn(home, SANDBOX_SPEC_DEFAULT))
  await using one = sandbox
  assert.deepEqual([one.id, kind], [made[0], 'warm'])
  assert.equal((await run(one, 'cat name')).exitCode, 0)
})

test('a reserved sandbox that cannot be made is told to who starts it', async (t) => {
  const home = scratch(t)
  const runtime = runcRuntime()
  await using pool = poolIn(home, { perKey: 0, keysMax: 1 })
  const spec = { ...SANDBOX_SPEC_DEFAULT, system: { kind: 'directory', path: '/nowhere' } } as const
  await assert.rejects(startIn(pool, wanted(runtime, spec), requestIn(home, spec)), {
    code: 'invalid-argument',
  })
  await using _unused = pool.reserve(wanted(runtime, spec))
})

test('nothing that waits runs, and nothing of it is left after the pool', async (t) => {
  const home = scratch(t)
  const runtime = runcRuntime()
  {
    await using pool = poolIn(home, { perKey: 2, keysMax: 1 })
    await pool.warm(wanted(runtime))
    const states = readdirSync(home).map((name) => {
      const pid = Number(readFileSync(join(home, name, 'pid'), 'latin1'))
      const path = /^\d+:freezer:(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'latin1'))?.[1]
      return path === undefined
        ? 'FROZEN\n'
        : readFileSync(`/sys/fs/cgroup/freezer${path}/freezer.state`, 'latin1')
    })
    assert.deepEqual(states, ['FROZEN\n', 'FROZEN\n'])
  }
  assert.deepEqual(readdirSync(home), [])
})

test('what an agent left waiting is killed by the next', async (t) => {
  const home = scratch(t)
  const runtime = runcRuntime()
  const prepared = await runtime.prepare({
    ...{ id: `left-${process.pid}`, folder: join(home, 'left'), spec: SANDBOX_SPEC_DEFAULT },
    deadlineBootMs: systemBootClock.bootMs() + LIFE_MS,
  })
  await runcRuntime().killLeftovers(home)
  await prepared.ended
  assert.deepEqual(readdirSync(home), [])
})

test('a wait is extended, and what was killed meanwhile is not given to anybody', async (t) => {
  const home = scratch(t)
  const runtime = runcRuntime()
  await using prepared = await runtime.prepare({
    ...{ id: `ext-${process.pid}`, folder: join(home, 'ext'), spec: SANDBOX_SPEC_DEFAULT },
    deadlineBootMs: systemBootClock.bootMs() + 1000,
  })
  await prepared.extend(systemBootClock.bootMs() + LIFE_MS)
  await systemClock.sleep(1200)
  const request = requestIn(home, SANDBOX_SPEC_DEFAULT)
  await using sandbox = await prepared.claim({ ...request, environment: {} })
  assert.equal((await run(sandbox, 'cat name')).exitCode, 0)

  await using pool = poolIn(home)
  await pool.warm(wanted(runtime))
  const waiting = readdirSync(home).find((name) => name.startsWith('sb-')) ?? ''
  process.kill(Number(readFileSync(join(home, waiting, 'pid'), 'latin1')), 'SIGKILL')
  const started = await startIn(pool, wanted(runtime), requestIn(home, SANDBOX_SPEC_DEFAULT))
  await using fresh = started.sandbox
  assert.equal(started.start, 'cold')
  assert.equal((await run(fresh, 'cat name')).exitCode, 0)
})

test('kinds differ by all that is fixed at a start, and by the org where the system is its own', () => {
  const spec = SANDBOX_SPEC_DEFAULT
  const key = (change: Partial<SandboxSpec>, org = 'org_a') => poolKey('runc', org, { ...spec, ...change })
  assert.equal(key({}), key({ environment: { A: 'b' } }))
  assert.equal(key({}), key({ packs: [{ name: 'tools', source: 'a.example/tools:v1' }] }))
  assert.equal(key({}), key({}, 'org_b'))
  const system = { kind: 'directory', path: '/somewhere' } as const
  assert.notEqual(key({ system }), key({ system }, 'org_b'))
  const others: Partial<SandboxSpec>[] = [
    ...[{ fsync: 'native' as const }, { allowRoot: true }, { allowDebug: true }, { system }],
    { systemWrites: 'discarded' },
    { limits: { ...spec.limits, pids: spec.limits.pids + 1 } },
  ]
  assert.equal(new Set([key({}), ...others.map((other) => key(other))]).size, others.length + 1)
  assert.notEqual(poolKey('runc', 'org_a', spec), poolKey('runsc', 'org_a', spec))
})

test('claim to first command is quicker than a fresh start', async (t) => {
  const home = scratch(t)
  const runtime = runcRuntime()
  await using pool = poolIn(home, { perKey: 5, keysMax: 1 })
  await pool.warm(wanted(runtime))
  const times: number[] = []
  for (let round = 0; round < 5; round++) {
    const request = requestIn(home, SANDBOX_SPEC_DEFAULT)
    const beganAt = systemClock.monotonicMs()
    const { sandbox, start } = await startIn(pool, wanted(runtime), request)
    await run(sandbox, ['true'])
    times.push(systemClock.monotonicMs() - beganAt)
    assert.equal(start, 'warm')
    await sandbox[Symbol.asyncDispose]()
  }
  t.diagnostic(`claim to the end of the first command: ${times.map((ms) => ms.toFixed(1)).join(', ')} ms`)
})
