import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, copyFileSync, mkdirSync, openSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import type { CgroupDirectories } from '../cgroup/cgroup-mounts.ts'
import { enterCgroup } from '../cgroup/enter-cgroup.ts'
import { expectedCgroup, expectedFreezers } from '../cgroup/expected-cgroup.ts'
import { makeCgroup } from '../cgroup/make-cgroup.ts'
import { SandboxCgroup } from '../cgroup/sandbox-cgroup.ts'
import { refuseWritableSystem } from '../choose-runtime.ts'
import { commandLimits } from '../command-limits.ts'
import { type EndDeps, killRecorded } from '../end-sandbox.ts'
import { Holdinit } from '../holdinit/holdinit.ts'
import { holdinitArguments, writeNonce } from '../holdinit/start-holdinit.ts'
import { hostProcess } from '../host-process.ts'
import { assertPresent, type NativePrograms } from '../native-programs.ts'
import { probeRuntime } from '../probe-runtime.ts'
import { proveFsync } from '../prove-fsync.ts'
import { RunningSandbox } from '../running-sandbox.ts'
import type { Runtime, Sandbox, StartRequest } from '../runtime.ts'
import { type RecordedSandbox, writeSandboxRecord } from '../sandbox-record.ts'
import { startRecorded } from '../start-recorded.ts'
import { GUEST_PROGRAMS, GUEST_WORKSPACE } from '../system/root-plan.ts'

export interface NoneRuntimeDeps {
  readonly clock: Clock
  readonly randomness: Randomness
  readonly programs: NativePrograms
  readonly openFilesMax: number
}

/**
 * Processes of the machine itself: the machine, a container or a pod for one workspace, is the sandbox. As root commands
 * run as uid 1000, `/workspace` is shown to them alone, and a cgroup holds them where one can be made; as an ordinary
 * user they run as that user, in the volume's own directory.
 */
export class NoneRuntime implements Runtime {
  readonly kind = 'none'
  readonly isolation = 'none'
  readonly #deps: NoneRuntimeDeps
  readonly #isRoot = process.geteuid?.() === 0

  constructor(deps: NoneRuntimeDeps) {
    this.#deps = deps
  }

  probe(): Promise<string | null> {
    return probeRuntime(this)
  }

  async start(request: StartRequest): Promise<Sandbox> {
    assertPresent(this.#deps.programs)
    refuseWritableSystem(this.kind, request.spec)
    if (request.spec.system.kind !== 'machine')
      throw new Failure('invalid-argument', 'the runtime none has no other system than the machine', {
        system: request.spec.system.kind,
      })
    if (request.packs !== undefined && request.packs.length > 0)
      throw new Failure('invalid-argument', 'the runtime none mounts nothing: it can have no packs')
    const { folder, id } = request
    mkdirSync(folder, { recursive: true })
    const cgroup = this.#isRoot ? makeCgroup(expectedCgroup(id), request.spec.limits) : new Map()
    const recorded: RecordedSandbox = {
      folder,
      record: { id, runtime: this.kind, cgroup: Object.fromEntries(cgroup), processes: [], firstUid: null },
    }
    return await startRecorded(this.#endDeps, recorded, () => this.#make(request, recorded))
  }

  cgroupsOf(id: string): readonly string[] {
    return this.#isRoot ? expectedFreezers(id) : []
  }

  async killLeftovers(folder: string): Promise<void> {
    await killRecorded(this.#endDeps, folder)
  }

  get #endDeps(): EndDeps {
    return { clock: this.#deps.clock, uidRanges: null }
  }

  async #make(request: StartRequest, recorded: RecordedSandbox): Promise<Sandbox> {
    const places = this.#places(request)
    const nonce = await writeNonce(join(places.control, 'nonce'), this.#deps.randomness)
    const directories = new Map(Object.entries(recorded.record.cgroup))
    const child = this.#spawn(request, directories, places)
    const pid = child.pid ?? 0
    const started = hostProcess(pid)
    if (started === undefined) throw new Failure('sandbox-failed', 'its first process did not start')
    const record = { ...recorded.record, processes: [{ pid, startTicks: started.startTicks }] }
    writeSandboxRecord(request.folder, record)
    const cgroup = directories.size === 0 ? null : new SandboxCgroup(directories, this.#deps.clock)
    const link = await this.#connect(request, child, {
      socketPath: join(places.control, 'control.sock'),
      nonce,
      clock: this.#deps.clock,
      limits: commandLimits(request.spec.limits, this.#deps.openFilesMax),
      oomKills: () => cgroup?.oomKills() ?? 0,
    })
    return new RunningSandbox(this.#endDeps, {
      recorded: { folder: request.folder, record },
      pid,
      fsync: await proveFsync((command) => link.exec(command), request.spec.fsync, `${places.programs}/hold`),
      link,
      cgroup,
      places: {
        workspace: places.workspace,
        environment: {
          PATH: `${places.programs}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
          HOME: places.workspace,
          LANG: 'C.UTF-8',
          HOLDFAST_GUEST_SOCKET: `${places.programs}/guest.sock`,
          ...request.spec.environment,
        },
      },
    })
  }

  /** Makes what holdinit and its commands find, and says where they find it. */
  #places(request: StartRequest): Places {
    const control = join(request.folder, 'control')
    const shown = join(request.folder, 'programs')
    mkdirSync(control, { mode: 0o700 })
    mkdirSync(shown)
    chmodSync(shown, 0o755)
    copyFileSync(this.#deps.programs.holdinit, join(shown, 'hold'))
    symlinkSync(this.#deps.programs.node, join(shown, 'node'))
    if (!this.#isRoot) return { control, shown, programs: shown, workspace: request.volumePath }
    for (const path of [GUEST_WORKSPACE, GUEST_PROGRAMS]) mkdirSync(path, { recursive: true })
    return { control, shown, programs: GUEST_PROGRAMS, workspace: GUEST_WORKSPACE }
  }

  #spawn(request: StartRequest, cgroup: CgroupDirectories, places: Places): ChildProcess {
    const { holdmount, holdinit } = this.#deps.programs
    const show = (source: string, target: string) => [holdmount, 'under', source, target]
    const words = [
      ...(this.#isRoot ? show(request.volumePath, GUEST_WORKSPACE) : []),
      ...(this.#isRoot ? show(places.shown, GUEST_PROGRAMS) : []),
      holdinit,
      ...holdinitArguments({
        controlPath: join(places.control, 'control.sock'),
        guestPath: `${places.programs}/guest.sock`,
        noncePath: join(places.control, 'nonce'),
        deadlineBootMs: request.deadlineBootMs,
        allowRoot: this.#isRoot && request.spec.allowRoot,
        peer: 'own',
        oomScore: 500,
      }),
    ]
    const log = openSync(join(request.folder, 'holdinit.log'), 'a', 0o600)
    try {
      const child = spawn('/bin/sh', enterCgroup(cgroup, words), {
        stdio: ['ignore', log, log],
        env: { PATH: dirname('/bin/sh') },
        cwd: '/',
        detached: true,
      })
      child.on('error', () => {}) // it has no pid then, which is what is looked at
      child.unref()
      return child
    } finally {
      closeSync(log)
    }
  }

  /** Tries again until it listens: as an ordinary process it makes its socket when it comes to it. */
  async #connect(
    request: StartRequest,
    child: ChildProcess,
    options: Parameters<typeof Holdinit.connect>[0],
  ): Promise<Holdinit> {
    const exit = new AbortController()
    void once(child, 'exit').then(() => exit.abort())
    try {
      return await Holdinit.connect(options)
    } catch (error) {
      if (!exit.signal.aborted) throw error
      const said = readFileSync(join(request.folder, 'holdinit.log'), 'utf8').trim()
      throw new Failure('sandbox-failed', `its first process ended: ${said}`, { said }, error)
    }
  }
}

interface Places {
  readonly control: string
  /** The directory of programs as the host has it. */
  readonly shown: string
  /** The same as commands see it. */
  readonly programs: string
  readonly workspace: string
}
