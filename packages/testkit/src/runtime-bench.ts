import assert from 'node:assert/strict'
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ExecRequest } from '@holdfast/protocol/exec'
import { SANDBOX_SPEC_DEFAULT, type SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import type { LocalPack } from '@holdfast/sandbox/pack/local-pack'
import { makePackPlaces } from '@holdfast/sandbox/pack/make-pack-places'
import type { ExecEnd, Runtime, Sandbox } from '@holdfast/sandbox/runtime'
import { makeKeptSystem } from '@holdfast/sandbox/system/kept-system'

/** Nothing that a test starts outlives this, whatever becomes of the test. */
const SANDBOX_MS_MAX = 60_000
const HAPPENS_MS_MAX = 10_000
const MIB = 1024 * 1024

/** One runtime, and what it claims beyond running commands. */
export interface RuntimeBench {
  open(): Runtime
  /** The guest does not see processes, files and network of the host. */
  readonly isIsolated: boolean
  /** Memory and processes are limited by a cgroup. */
  readonly hasLimits: boolean
  /** The kernel that guests see is the host's, with all it can do. */
  readonly isHostKernel: boolean
  /** It is in a freezer cgroup. */
  readonly isFreezable: boolean
  /** Commands can be run as root of the sandbox. */
  readonly hasRoot: boolean
  /** It can show a system that guests write to. */
  readonly hasWritableSystem: boolean
  /** It can mount packs. */
  readonly hasPacks: boolean
  /** It can make fsync succeed at once. */
  readonly isRelaxable: boolean
  /** A program that calls `leaveSandboxes` with this runtime. */
  readonly leaver: URL
  /** Owner of the volume on the host. */
  readonly owner: number
}

/** Milliseconds of CLOCK_BOOTTIME. */
export function bootMs(): number {
  return Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1000
}

export interface Trial {
  readonly runtime: Runtime
  /** Of all sandboxes of the test. */
  readonly folder: string
  /** A new volume; owned by the guest's user. */
  volume(): string
  start(change?: StartChange): Promise<Sandbox>
}

export interface StartChange {
  readonly spec?: Partial<SandboxSpec>
  readonly volumePath?: string
  readonly packs?: readonly LocalPack[]
  readonly deadlineMs?: number
}

let sandboxes = 0

/** A runtime with a folder of its own; what it starts ends with the test. */
export function tryRuntime(t: TestContext, bench: RuntimeBench): Trial {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-sandbox-'))
  const folder = join(home, 'sandboxes')
  const runtime = bench.open()
  mkdirSync(folder)
  for (const path of [home, folder]) chownSync(path, bench.owner, bench.owner)
  t.after(async () => {
    await runtime.killLeftovers(folder)
    rmSync(home, { recursive: true, force: true })
  })
  const volume = () => {
    const path = mkdtempSync(join(home, 'volume-'))
    chownSync(path, bench.owner, bench.owner)
    return path
  }
  const start = async ({ spec, volumePath = volume(), packs = [], deadlineMs }: StartChange = {}) => {
    sandboxes += 1
    if (spec?.systemWrites === 'kept' && bench.hasWritableSystem) makeKeptSystem(volumePath)
    makePackPlaces(
      volumePath,
      packs.map(({ name }) => name),
    )
    const id = `t${process.pid}-${sandboxes}`
    return await runtime.start({
      id,
      folder: join(folder, id),
      spec: { ...defaultSpec(bench), ...spec },
      volumePath,
      packs,
      deadlineBootMs: bootMs() + (deadlineMs ?? SANDBOX_MS_MAX),
    })
  }
  return { runtime, folder, volume, start }
}

function defaultSpec(bench: RuntimeBench): SandboxSpec {
  return {
    ...SANDBOX_SPEC_DEFAULT,
    isolationMin: 'none',
    fsync: bench.isRelaxable ? 'relaxed' : 'native',
    limits: { ...SANDBOX_SPEC_DEFAULT.limits, memoryBytes: 256 * MIB, tmpBytes: 64 * MIB, pids: 128 },
  }
}

export interface Ran {
  readonly end: ExecEnd
  /** Null unless it exited by itself. */
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
  readonly terminal: string
}

/** Runs a command to its end. A string is given to `sh -c`. */
export async function run(
  sandbox: Sandbox,
  command: string | readonly string[],
  change: Partial<ExecRequest> & { readonly input?: string } = {},
): Promise<Ran> {
  const { input, ...request } = change
  const argv = typeof command === 'string' ? ['sh', '-c', command] : [...command]
  const exec = await sandbox.exec(ExecRequest.parse({ stdin: input !== undefined, ...request, argv }))
  if (input !== undefined) {
    await exec.write(Buffer.from(input))
    await exec.endInput()
  }
  const said = { stdout: [], stderr: [], terminal: [] } as Record<string, Uint8Array[]>
  for await (const { stream, bytes } of exec.output) said[stream]?.push(bytes)
  const end = await exec.ended
  const text = (stream: string) => Buffer.concat(said[stream] ?? []).toString()
  return {
    end,
    exitCode: end.kind === 'exited' ? end.exitCode : null,
    stdout: text('stdout'),
    stderr: text('stderr'),
    terminal: text('terminal'),
  }
}

/** Looks again and again until it is so. */
export async function untilTrue(look: () => Promise<boolean>): Promise<void> {
  const until = performance.now() + HAPPENS_MS_MAX
  while (!(await look())) {
    assert.ok(performance.now() < until, 'it did not happen in time')
    await delay(20)
  }
}
