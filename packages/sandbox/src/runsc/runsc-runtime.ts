import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import { enterCgroup } from '../cgroup/enter-cgroup.ts'
import { expectedCgroup, expectedFreezers } from '../cgroup/expected-cgroup.ts'
import { makeCgroup } from '../cgroup/make-cgroup.ts'
import { SandboxCgroup } from '../cgroup/sandbox-cgroup.ts'
import { refuseWritableSystem } from '../choose-runtime.ts'
import { type EndDeps, killRecorded } from '../end-sandbox.ts'
import { Holdinit } from '../holdinit/holdinit.ts'
import { holdinitArguments, writeNonce } from '../holdinit/start-holdinit.ts'
import { assertPresent, type NativePrograms } from '../native-programs.ts'
import { packTarget } from '../pack/local-pack.ts'
import { probeRuntime } from '../probe-runtime.ts'
import { proveFsync } from '../prove-fsync.ts'
import { runProgram } from '../run-program.ts'
import { readOnlyBind, writableBind } from '../runc/oci-config.ts'

import { RunningSandbox } from '../running-sandbox.ts'
import type { Runtime, Sandbox, StartRequest } from '../runtime.ts'
import type { RecordedSandbox } from '../sandbox-record.ts'
import { startRecorded } from '../start-recorded.ts'
import { assembleRoot, planRoot } from '../system/assemble-root.ts'
import { GUEST_ENVIRONMENT, GUEST_PROGRAMS, GUEST_WORKSPACE } from '../system/root-plan.ts'
import { runscConfig } from './runsc-config.ts'

const CONTROL_DIRECTORY = '/run/holdinit'
const HOLDINIT = `${GUEST_PROGRAMS}/holdinit`
/** gVisor's network stack on the host's would need its own address; lo of a namespace made for it is all it gets. */
const RUNSC_WORDS = ['--network=host', '--ignore-cgroups', '--host-uds=all']

export interface RunscRuntimeDeps {
  readonly clock: Clock
  readonly randomness: Randomness
  readonly programs: NativePrograms
  readonly openFilesMax: number
}

/**
 * gVisor: guests speak to a kernel of their own, which is a program of the host. It lives in one cgroup with its file
 * server, so limits are those of the whole: what takes too much memory ends the sandbox. Needs root.
 */
export class RunscRuntime implements Runtime {
  readonly kind = 'runsc'
  readonly isolation = 'sandboxed-kernel'
  readonly #deps: RunscRuntimeDeps

  constructor(deps: RunscRuntimeDeps) {
    this.#deps = deps
  }

  async probe(): Promise<string | null> {
    return process.geteuid?.() === 0 ? await probeRuntime(this) : 'only root may run it'
  }

  async start(request: StartRequest): Promise<Sandbox> {
    assertPresent(this.#deps.programs)
    refuseWritableSystem(this.kind, request.spec)
    if (request.spec.allowRoot)
      throw new Failure(
        'invalid-argument',
        'files of root would be the host root’s: runsc has no root inside',
      )
    const cgroup = makeCgroup(expectedCgroup(request.id), {
      ...request.spec.limits,
      pids: request.spec.limits.pids + KERNEL_THREADS_MAX,
    })
    const recorded: RecordedSandbox = {
      folder: request.folder,
      record: {
        id: request.id,
        runtime: this.kind,
        cgroup: Object.fromEntries(cgroup),
        processes: [],
        firstUid: null,
      },
    }
    return await startRecorded(this.#endDeps, recorded, () =>
      this.#make(request, recorded, new SandboxCgroup(cgroup, this.#deps.clock)),
    )
  }

  cgroupsOf(id: string): readonly string[] {
    return expectedFreezers(id)
  }

  async killLeftovers(folder: string): Promise<void> {
    await killRecorded(this.#endDeps, folder)
  }

  get #endDeps(): EndDeps {
    return { clock: this.#deps.clock, uidRanges: null }
  }

  async #make(request: StartRequest, recorded: RecordedSandbox, cgroup: SandboxCgroup): Promise<Sandbox> {
    const { folder, id } = request
    const control = join(folder, 'control')
    mkdirSync(control, { mode: 0o700 })
    const nonce = await writeNonce(join(control, 'nonce'), this.#deps.randomness)
    this.#writeBundle(request, control)
    const run = ['run', '--bundle', folder, '--pid-file', join(folder, 'pid'), '-detach', id]
    const words = [
      ...[this.#deps.programs.holdmount, 'alone'],
      ...['runsc', '--root', join(folder, 'runsc'), ...RUNSC_WORDS, ...run],
    ]
    await runProgram({
      program: '/bin/sh',
      argv: enterCgroup(cgroup.directories, words),
      logPath: join(folder, 'runsc.log'),
    })
    const link = await Holdinit.connect({
      socketPath: join(control, 'control.sock'),
      nonce,
      clock: this.#deps.clock,
      oomKills: () => cgroup.oomKills(),
    })
    return new RunningSandbox(this.#endDeps, {
      recorded,
      pid: Number(readFileSync(join(folder, 'pid'), 'latin1')),
      fsync: await proveFsync((command) => link.exec(command), request.spec.fsync),
      link,
      cgroup,
      places: {
        workspace: GUEST_WORKSPACE,
        environment: { ...GUEST_ENVIRONMENT, ...request.spec.environment },
      },
    })
  }

  #writeBundle(request: StartRequest, control: string): void {
    const { programs, openFilesMax } = this.#deps
    const root = join(request.folder, 'root')
    const plan = planRoot(request.spec.system)
    mkdirSync(root)
    assembleRoot(root, plan)
    const config = runscConfig({
      spec: request.spec,
      plan,
      root,
      argv: [
        HOLDINIT,
        ...holdinitArguments({
          controlPath: `${CONTROL_DIRECTORY}/control.sock`,
          guestPath: `${GUEST_PROGRAMS}/guest.sock`,
          noncePath: `${CONTROL_DIRECTORY}/nonce`,
          deadlineBootMs: request.deadlineBootMs,
          // Who connects from the host has no credentials that mean anything inside: the nonce is what proves.
          peer: 'any',
        }),
      ],
      environment: { PATH: '/usr/bin:/bin' },
      mounts: [
        readOnlyBind(programs.holdinit, HOLDINIT),
        readOnlyBind(programs.holdinit, `${GUEST_PROGRAMS}/hold`),
        readOnlyBind(programs.node, `${GUEST_PROGRAMS}/node`),
        writableBind(control, CONTROL_DIRECTORY),
        writableBind(request.volumePath, GUEST_WORKSPACE),
        ...(request.packs ?? []).map((pack) => readOnlyBind(pack.root, packTarget(pack))),
      ],
      firstUid: 0,
      cgroupsPath: '',
      hasSwapLimit: false,
      openFilesMax,
      architecture: process.arch,
    })
    writeFileSync(join(request.folder, 'config.json'), JSON.stringify(config))
  }
}

/** Threads of gVisor itself, which count as processes of the cgroup. */
const KERNEL_THREADS_MAX = 512
