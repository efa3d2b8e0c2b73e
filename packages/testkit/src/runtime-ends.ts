import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isFailure } from '@holdfast/base/failure'
import { ExecRequest } from '@holdfast/protocol/exec'
import type { Sandbox } from '@holdfast/sandbox/runtime'
import { bootMs, type RuntimeBench, run, type Trial, tryRuntime } from './runtime-bench.ts'

const STILL_MS = 150
const BEGUN_MS_MAX = 10_000
/** Ticks into the volume through processes of another session, which nobody waits for. */
const DAEMONS =
  'for n in 1 2 3; do setsid sh -c "trap : TERM HUP; while :; do echo >> ticks; sleep 0.01; done" & done; exit 0'

export function endPromises(bench: RuntimeBench): void {
  test('a kill ends everything, also daemons of other sessions, and leaves nothing behind', async (t) => {
    const trial = tryRuntime(t, bench)
    const { sandbox, ticks } = await ticking(trial)
    const [...cgroups] = sandbox.cgroups
    for (const cgroup of cgroups)
      assert.ok(trial.runtime.cgroupsOf(sandbox.id).includes(cgroup), 'known before it started')
    await sandbox.kill()
    await assertStands(ticks)
    await sandbox.ended
    await sandbox.kill()
    await sandbox[Symbol.asyncDispose]()
    for (const cgroup of cgroups) assert.equal(existsSync(cgroup), false, cgroup)
    assert.deepEqual(readdirSync(trial.folder), [])
    assert.equal(isRunning(sandbox.pid), false)
  })

  test('a command that runs when the sandbox ends is gone, and none can be run after that', async (t) => {
    const sandbox = await tryRuntime(t, bench).start()
    const exec = await sandbox.exec(ExecRequest.parse({ argv: ['sleep', '53'] }))
    await sandbox.kill()
    assert.deepEqual(await exec.ended, { kind: 'gone' })
    for (const call of [
      () => sandbox.exec(ExecRequest.parse({ argv: ['true'] })),
      () => sandbox.connect(80),
      () => sandbox.extend(bootMs() + 1000),
    ])
      await assert.rejects(call, (error) => isFailure(error, 'sandbox-gone'))
  })

  test('nothing runs after the deadline, and a deadline can be moved', async (t) => {
    const trial = tryRuntime(t, bench)
    const { sandbox, ticks } = await ticking(trial, 3000)
    await sandbox.extend(bootMs() + 6000)
    await delay(3500)
    assert.equal((await run(sandbox, ['true'])).exitCode, 0, 'it lives past the first deadline')
    const last = bootMs() + 300
    await sandbox.extend(last)
    await sandbox.ended
    assert.ok(bootMs() >= last - 20 && bootMs() < last + 2000, `${bootMs() - last} ms past the deadline`)
    await assertStands(ticks)
  })

  if (bench.isFreezable)
    test('a frozen sandbox is killed without running on', async (t) => {
      const { sandbox, ticks } = await ticking(tryRuntime(t, bench))
      const [freezer = ''] = sandbox.cgroups
      const isVersion1 = existsSync(join(freezer, 'freezer.state'))
      if (isVersion1) writeFileSync(join(freezer, 'freezer.state'), 'FROZEN')
      else writeFileSync(join(freezer, 'cgroup.freeze'), '1')
      await delay(50)
      const before = statSync(ticks).size
      await delay(STILL_MS)
      assert.equal(statSync(ticks).size, before, 'it stands')
      await sandbox.kill()
      assert.equal(statSync(ticks).size, before)
    })

  test('what a killed process left is killed by the next one, frozen or not', async (t) => {
    const trial = tryRuntime(t, bench)
    const volumes = [trial.volume(), trial.volume()]
    const child = spawn(process.execPath, [fileURLToPath(bench.leaver), trial.folder, ...volumes], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 30_000,
    })
    let said = ''
    for await (const part of child.stdout) {
      said += String(part)
      if (said.includes('\n')) break
    }
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    const ticks = volumes.map((volume) => join(volume, 'ticks'))
    for (const file of ticks) await assertRuns(file)
    const freezer = said.trim()
    if (freezer !== '') {
      const state = join(freezer, 'freezer.state')
      if (existsSync(state)) writeFileSync(state, 'FROZEN')
      else writeFileSync(join(freezer, 'cgroup.freeze'), '1')
    }
    await delay(50)
    const before = readFileSync(ticks[0] ?? '').length
    await trial.runtime.killLeftovers(trial.folder)
    if (freezer !== '') assert.equal(readFileSync(ticks[0] ?? '').length, before, 'frozen, it did not run on')
    for (const file of ticks) await assertStands(file)
    assert.deepEqual(readdirSync(trial.folder), [])
  })

  test('two sandboxes at once: each ends alone', async (t) => {
    const trial = tryRuntime(t, bench)
    const one = await ticking(trial)
    const other = await ticking(trial)
    await one.sandbox.kill()
    await assertStands(one.ticks)
    await assertRuns(other.ticks)
    await other.sandbox.kill()
    await assertStands(other.ticks)
  })
}

/** Dead and not yet noticed by its parent counts as ended. */
function isRunning(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false
  return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'))
}

async function ticking(trial: Trial, deadlineMs?: number): Promise<{ sandbox: Sandbox; ticks: string }> {
  const volumePath = trial.volume()
  const sandbox = await trial.start({ volumePath, ...(deadlineMs === undefined ? {} : { deadlineMs }) })
  const exec = await sandbox.exec(ExecRequest.parse({ argv: ['sh', '-c', DAEMONS] }))
  assert.deepEqual(await exec.ended, { kind: 'exited', exitCode: 0 })
  const ticks = join(volumePath, 'ticks')
  await assertRuns(ticks)
  return { sandbox, ticks }
}

const sizeOf = (file: string) => statSync(file, { throwIfNoEntry: false })?.size ?? 0

async function assertRuns(file: string): Promise<void> {
  const seen = sizeOf(file)
  const until = performance.now() + BEGUN_MS_MAX
  while (sizeOf(file) <= seen) {
    assert.ok(performance.now() < until, 'it runs')
    await delay(5)
  }
}

async function assertStands(file: string): Promise<void> {
  const seen = sizeOf(file)
  await delay(STILL_MS)
  assert.equal(sizeOf(file), seen, 'nothing of it runs')
}
