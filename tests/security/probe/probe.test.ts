import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { SANDBOX_SPEC_DEFAULT, type SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import { BwrapRuntime } from '@holdfast/sandbox/bwrap/bwrap-runtime'
import { installedPrograms } from '@holdfast/sandbox/native-programs'
import { RuncRuntime } from '@holdfast/sandbox/runc/runc-runtime'
import { RunscRuntime } from '@holdfast/sandbox/runsc/runsc-runtime'
import type { Runtime } from '@holdfast/sandbox/runtime'
import { bootMs, run } from '@holdfast/testkit/runtime-bench'

const USER = { uid: 1000, gid: 1000 }
const LIFE_MS = 30_000
const DEPS = {
  clock: systemClock,
  randomness: systemRandomness,
  programs: installedPrograms(),
  openFilesMax: 4096,
}
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** What the probe is told in a sandbox: question → `ok` or an errno. */
async function probe(t: TestContext, runtime: Runtime, spec: Partial<SandboxSpec> = {}): Promise<unknown> {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-probe-'))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const [volumePath, folder] = [join(home, 'volume'), join(home, 'sandboxes')]
  for (const path of [volumePath, folder]) mkdirSync(path)
  for (const path of [home, volumePath, folder]) chownSync(path, USER.uid, USER.gid)
  const words = ['-std=gnu11', '-O1', '-Wall', '-Wextra', '-Werror', '-D_GNU_SOURCE', '-static']
  execFileSync('gcc', [...words, '-o', join(volumePath, 'probe'), here('./probe.c')])
  const id = `probe${process.pid}-${runtime.kind}-${Object.keys(spec).length}`
  await using sandbox = await runtime.start({
    id,
    folder: join(folder, id),
    spec: { ...SANDBOX_SPEC_DEFAULT, ...spec },
    volumePath,
    deadlineBootMs: bootMs() + LIFE_MS,
  })
  const ran = await run(sandbox, ['./probe'])
  assert.equal(ran.exitCode, 0, ran.stderr)
  return settled(JSON.parse(ran.stdout))
}

/** How a file is refused depends on what the kernel was built with; a call's errno does not. */
const FILES = /^(\/|content of |open of )/

function settled(answers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(answers).map(([question, answer]) => [
      question,
      FILES.test(question) && answer !== 'ok' ? 'refused' : answer,
    ]),
  )
}

const golden = (name: string): unknown => JSON.parse(readFileSync(here(`./${name}.golden.json`), 'utf8'))

test('a guest of runc is given nothing that its golden table does not grant', async (t) => {
  assert.deepEqual(await probe(t, new RuncRuntime(DEPS)), golden('runc'))
})

test('neither is one whose workspace allows root', async (t) => {
  assert.deepEqual(await probe(t, new RuncRuntime(DEPS), { allowRoot: true }), golden('runc'))
})

test('a guest of gVisor is given by its own kernel what its golden table grants, and no more', async (t) => {
  assert.deepEqual(await probe(t, new RunscRuntime(DEPS), { fsync: 'native' }), golden('runsc'))
})

test('a guest of bwrap is given nothing that its golden table does not grant', async (t) => {
  assert.deepEqual(await probe(t, new BwrapRuntime({ ...DEPS, user: USER })), golden('bwrap'))
})
