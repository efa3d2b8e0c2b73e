import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { present } from '@holdfast/base/assert'
import { isFailure } from '@holdfast/base/failure'
import { cgroupVersions, FreezerCgroup } from '@holdfast/testkit/freezer-cgroup'
import { until } from '@holdfast/testkit/until'
import { Holdfs } from './holdfs.ts'

const BUILD = fileURLToPath(new URL('../../native/build.sh', import.meta.url))
const CLIENT = new URL('./holdfs.ts', import.meta.url).href
/** Grows a file; each round starts a process, so that a freeze meets forks. */
const GROWING = 'while :; do echo >> grown; sleep 0.002; done'
const STILL_MS = 120
const KILL_ROUNDS = 5

let home: string
const options = { freezeTimeoutMs: 2000 }

/** True for a zombie too: who adopts the companion of a dead parent may reap late. */
function hasEnded(pid: number | string): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z')
  } catch {
    return true
  }
}

const grownBytes = () => statSync(join(home, 'grown'), { throwIfNoEntry: false })?.size ?? 0

async function assertRuns(): Promise<void> {
  const seen = grownBytes()
  await until('the workload runs', () => grownBytes() > seen)
}

async function assertStands(): Promise<void> {
  const seen = grownBytes()
  await delay(STILL_MS)
  assert.equal(grownBytes(), seen)
}

/** A node process that runs `body` with `holdfs` and `arg`; resolves with it at its first line of output. */
async function parentScript(
  body: string,
  arg: string,
  cgroup?: FreezerCgroup,
): Promise<[ChildProcess, string]> {
  const enter = cgroup
    ? `(await import('node:fs')).writeFileSync('${cgroup.path}/cgroup.procs', String(process.pid));`
    : ''
  const script = `${enter}
    const { Holdfs } = await import('${CLIENT}'); const holdfs = await Holdfs.start(); const arg = process.argv[1];
    ${body}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, arg], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(present(child.stdout, 'stdout'), 'data')
  return [child, String(line).trim()]
}

describe('holdfs freezes', () => {
  before(() => {
    execFileSync('sh', [BUILD])
    home = mkdtempSync(join(tmpdir(), 'holdfs-freeze-'))
  })

  after(() => {
    rmSync(home, { recursive: true, force: true })
  })

  for (const version of cgroupVersions()) {
    test(`version ${version}: a frozen workload stands until it is thawed`, async () => {
      await using holdfs = await Holdfs.start()
      await using cgroup = new FreezerCgroup(version)
      await cgroup.spawn(GROWING, home)
      await assertRuns()
      const frozen = await holdfs.freeze({ cgroups: [cgroup.path], ...options })
      assert.equal(frozen.alreadyFrozen, 0)
      assert.equal(cgroup.isFrozen(), true)
      await assertStands()
      await holdfs.thaw({ cgroups: [cgroup.path] })
      await assertRuns()
    })

    test(`version ${version}: kill -9 of the parent in the middle of a freeze lets the workload run again`, async () => {
      await using cgroup = new FreezerCgroup(version)
      await cgroup.spawn(GROWING, home)
      await assertRuns()
      const body = `await holdfs.freeze({ cgroups: [arg], freezeTimeoutMs: 2000 });
        console.log(holdfs.pid); setInterval(() => {}, 1000)`
      const [parent, pid] = await parentScript(body, cgroup.path)
      assert.equal(cgroup.isFrozen(), true)
      await assertStands()
      parent.kill('SIGKILL')
      await assertRuns()
      await until('the companion ends', () => hasEnded(pid))
    })

    test(`version ${version}: kill -9 of the parent in the middle of captures lets the workload run again`, async () => {
      await using cgroup = new FreezerCgroup(version)
      await cgroup.spawn(GROWING, home)
      const body = `console.log(holdfs.pid)
        for (;;) await holdfs.capture({ cgroups: [arg], freezeTimeoutMs: 2000, syncfs: '/dev/shm' })`
      for (let round = 0; round < KILL_ROUNDS; round++) {
        const [parent, pid] = await parentScript(body, cgroup.path)
        await delay(round * 3)
        parent.kill('SIGKILL')
        await until('the companion ends', () => hasEnded(pid))
        await assertRuns()
      }
    })

    test(`version ${version}: the end of the companion by a signal thaws, and its client is told`, async () => {
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
        await using holdfs = await Holdfs.start()
        await using cgroup = new FreezerCgroup(version)
        await cgroup.spawn(GROWING, home)
        await holdfs.freeze({ cgroups: [cgroup.path], ...options })
        process.kill(holdfs.pid, signal)
        await until('thawed', () => !cgroup.isFrozen())
        await until('ended', () => hasEnded(holdfs.pid))
        await assert.rejects(holdfs.hello(), (error) => isFailure(error, 'helper-failed'))
      }
    })

    test(`version ${version}: what a companion killed with -9 left frozen is thawed through a fresh one`, async () => {
      await using cgroup = new FreezerCgroup(version)
      await cgroup.spawn(GROWING, home)
      await using first = await Holdfs.start()
      await first.freeze({ cgroups: [cgroup.path], ...options })
      const pending = first.freeze({ cgroups: [cgroup.path], ...options })
      process.kill(first.pid, 'SIGKILL')
      await pending.catch((error) => assert.ok(isFailure(error, 'helper-failed')))
      await until('ended', () => hasEnded(first.pid))
      assert.equal(cgroup.isFrozen(), true)
      await using second = await Holdfs.start()
      await second.thaw({ cgroups: [cgroup.path] })
      await assertRuns()
    })

    test(`version ${version}: a capture leaves frozen what someone else froze, and says so`, async () => {
      await using holdfs = await Holdfs.start()
      await using own = new FreezerCgroup(version)
      await using foreign = new FreezerCgroup(version)
      for (const cgroup of [own, foreign]) await cgroup.spawn('while :; do :; done', home)
      foreign.freeze()
      const captured = await holdfs.capture({ cgroups: [own.path, foreign.path], ...options })
      assert.equal(captured.alreadyFrozen, 1)
      assert.deepEqual([own.isFrozen(), foreign.isFrozen()], [false, true])
      await holdfs[Symbol.asyncDispose]()
      assert.equal(foreign.isFrozen(), true)
    })

    test(`version ${version}: a capture that stays frozen stands until the thaw`, async () => {
      await using holdfs = await Holdfs.start()
      await using cgroup = new FreezerCgroup(version)
      await cgroup.spawn(GROWING, home)
      await assertRuns()
      await holdfs.capture({ cgroups: [cgroup.path], ...options, syncfs: home, stayFrozen: true })
      await assertStands()
      await holdfs.thaw({ cgroups: [cgroup.path] })
      await assertRuns()
    })

    test(`version ${version}: all or none: a target that cannot be frozen thaws the others`, async () => {
      await using holdfs = await Holdfs.start()
      await using cgroup = new FreezerCgroup(version)
      await cgroup.spawn(GROWING, home)
      for (const path of [`${cgroup.path}/none`, home])
        await assert.rejects(holdfs.freeze({ cgroups: [cgroup.path, path], ...options }), (error) =>
          isFailure(error, 'not-found'),
        )
      assert.equal(cgroup.isFrozen(), false)
    })

    test(`version ${version}: a cgroup that holds the companion is refused, directly and from above`, async () => {
      await using outer = new FreezerCgroup(version)
      await using inner = new FreezerCgroup(version, outer)
      const body = `const answers = []
        for (const path of arg.split(':'))
          await holdfs.freeze({ cgroups: [path], freezeTimeoutMs: 500 }).catch((e) => answers.push(e.details.errno))
        console.log(answers.join()); setInterval(() => {}, 1000)`
      const [parent, answers] = await parentScript(body, `${inner.path}:${outer.path}`, inner)
      parent.kill('SIGKILL')
      assert.equal(answers, 'EDEADLK,EDEADLK')
    })
  }

  test('without cgroups: processes are stopped by signal and run again after the thaw', async () => {
    await using holdfs = await Holdfs.start()
    const workload = spawn('sh', ['-c', 'while :; do echo >> grown; done'], { cwd: home, stdio: 'ignore' })
    try {
      const pids = [present(workload.pid, 'pid')]
      await assertRuns()
      await holdfs.freeze({ pids, ...options })
      await assertStands()
      await holdfs.thaw({ pids })
      await assertRuns()
      await holdfs.freeze({ pids, ...options })
      await holdfs[Symbol.asyncDispose]()
      await assertRuns()
    } finally {
      workload.kill('SIGKILL')
    }
  })

  test('a process that a person stopped stays stopped; one that has ended counts as frozen', async () => {
    await using holdfs = await Holdfs.start()
    const stopped = spawn('sleep', ['60'])
    const ended = spawn('true')
    try {
      await once(ended, 'exit')
      const pids = [present(stopped.pid, 'pid'), present(ended.pid, 'pid')]
      stopped.kill('SIGSTOP')
      await until('stopped', () => readFileSync(`/proc/${stopped.pid}/stat`, 'utf8').includes(') T'))
      assert.equal((await holdfs.capture({ pids, ...options })).alreadyFrozen, 1)
      assert.match(readFileSync(`/proc/${stopped.pid}/stat`, 'utf8'), /\) T/)
    } finally {
      stopped.kill('SIGKILL')
    }
  })

  test('the companion refuses to stop its parent or itself', async () => {
    await using holdfs = await Holdfs.start()
    for (const pid of [process.pid, holdfs.pid, 1, 0])
      await assert.rejects(holdfs.freeze({ pids: [pid], ...options }), (error) => {
        return isFailure(error, 'source-failed') && error.details.errno === 'EDEADLK'
      })
  })

  test('a freeze that outlasts its bound is given up, and what was stopped runs again', async () => {
    const program = join(home, 'vforked')
    const source = '#include <unistd.h>\nint main(void) { if (vfork() == 0) for (;;) pause(); }'
    execFileSync('gcc', ['-x', 'c', '-w', '-o', program, '-'], { input: source })
    await using holdfs = await Holdfs.start()
    const workload = spawn('sh', ['-c', 'while :; do echo >> grown; done'], { cwd: home, stdio: 'ignore' })
    const unstoppable = spawn(program, [], { detached: true })
    try {
      await until('vfork', () => readFileSync(`/proc/${unstoppable.pid}/stat`, 'utf8').includes(') D'))
      const pids = [present(workload.pid, 'pid'), present(unstoppable.pid, 'pid')]
      await assert.rejects(holdfs.freeze({ pids, freezeTimeoutMs: 100 }), (error) => {
        return isFailure(error, 'source-failed') && error.details.errno === 'ETIMEDOUT'
      })
      await assertRuns()
    } finally {
      workload.kill('SIGKILL')
      process.kill(-present(unstoppable.pid, 'pid'), 'SIGKILL')
    }
  })
})
