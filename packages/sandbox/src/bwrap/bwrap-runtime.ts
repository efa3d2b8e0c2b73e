import { spawn } from 'node:child_process'
import { chownSync, closeSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
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
import { compileSeccomp, parseSyscallNumbers } from '../seccomp/seccomp-filter.ts'
import { seccompProfile } from '../seccomp/seccomp-profile.ts'
import { startRecorded } from '../start-recorded.ts'
import { assembleRoot, planRoot } from '../system/assemble-root.ts'
import { MASKED_PATHS } from '../system/masked-paths.ts'
import { GUEST_ENVIRONMENT, GUEST_PROGRAMS, GUEST_WORKSPACE } from '../system/root-plan.ts'
import { bwrapArguments } from './bwrap-arguments.ts'

const CONTROL_DIRECTORY = '/run/holdinit'
const SECCOMP_FD = 3
const STATUS_FD = 4
const STARTED_MS_MAX = 10_000
const POLL_MS = 2

export interface BwrapRuntimeDeps {
  readonly clock: Clock
  readonly randomness: Randomness
  readonly programs: NativePrograms
  readonly openFilesMax: number
  /** Whom to run sandboxes as, when this process is root; absent: as itself. Owns their folders and volumes. */
  readonly user?: { readonly uid: number; readonly gid: number }
}

/**
 * Namespaces of bubblewrap, for users who are not root: no cgroup limits, and everything inside is one user, whom the
 * host sees as the one who started it.
 */
export class BwrapRuntime implements Runtime {
  readonly kind = 'bwrap'
  readonly isolation = 'shared-kernel'
  readonly #deps: BwrapRuntimeDeps

  constructor(deps: BwrapRuntimeDeps) {
    this.#deps = deps
  }

  probe(): Promise<string | null> {
    return probeRuntime(this)
  }

  async start(request: StartRequest): Promise<Sandbox> {
    assertPresent(this.#deps.programs)
    refuseWritableSystem(this.kind, request.spec)
    if (request.spec.allowRoot)
      throw new Failure(
        'invalid-argument',
        'there is one user only in a sandbox of bwrap, and it is not root',
      )
    const recorded: RecordedSandbox = {
      folder: request.folder,
      record: { id: request.id, runtime: this.kind, cgroup: {}, processes: [], firstUid: null },
    }
    return await startRecorded(this.#endDeps, recorded, () => this.#make(request, recorded))
  }

  cgroupsOf(): readonly string[] {
    return []
  }

  async killLeftovers(folder: string): Promise<void> {
    await killRecorded(this.#endDeps, folder)
  }

  get #endDeps(): EndDeps {
    return { clock: this.#deps.clock, uidRanges: null }
  }

  async #make(request: StartRequest, recorded: RecordedSandbox): Promise<Sandbox> {
    const { folder } = request
    const control = join(folder, 'control')
    mkdirSync(control, { mode: 0o700 })
    const nonce = await writeNonce(join(control, 'nonce'), this.#deps.randomness)
    this.#give(folder, control, join(control, 'nonce'))
    const outer = this.#spawn(request, control)
    const pids = [outer, await this.#innerPid(request, outer)]
    const processes = pids.flatMap((pid) => {
      const found = hostProcess(pid)
      return found === undefined ? [] : [{ pid, startTicks: found.startTicks }]
    })
    const record = { ...recorded.record, processes }
    writeSandboxRecord(folder, record)
    const link = await Holdinit.connect({
      socketPath: join(control, 'control.sock'),
      nonce,
      clock: this.#deps.clock,
      limits: commandLimits(request.spec.limits, this.#deps.openFilesMax),
    })
    return new RunningSandbox(this.#endDeps, {
      recorded: { folder, record },
      pid: pids[1] ?? outer,
      fsync: await proveFsync((command) => link.exec(command), request.spec.fsync),
      link,
      cgroup: null,
      places: {
        workspace: GUEST_WORKSPACE,
        environment: { ...GUEST_ENVIRONMENT, ...request.spec.environment },
      },
    })
  }

  /** To the user that the sandbox runs as. */
  #give(...paths: readonly string[]): void {
    const { user } = this.#deps
    if (user !== undefined) for (const path of paths) chownSync(path, user.uid, user.gid)
  }

  /** The pid of bwrap itself, which waits outside for what it started. */
  #spawn(request: StartRequest, control: string): number {
    const { folder, spec } = request
    const root = join(folder, 'root')
    const plan = planRoot(spec.system)
    mkdirSync(root)
    assembleRoot(root, plan)
    const filter = compileSeccomp(
      seccompProfile(spec, process.arch),
      parseSyscallNumbers(readFileSync(this.#deps.programs.syscalls, 'latin1')),
    )
    writeFileSync(join(folder, 'seccomp'), filter)
    const words = bwrapArguments({
      ...request,
      plan,
      root,
      control: { source: control, target: CONTROL_DIRECTORY },
      programs: this.#deps.programs,
      masked: maskedHere(),
      seccompFd: SECCOMP_FD,
      statusFd: STATUS_FD,
      argv: [
        `${GUEST_PROGRAMS}/holdinit`,
        ...holdinitArguments({
          controlPath: `${CONTROL_DIRECTORY}/control.sock`,
          guestPath: `${GUEST_PROGRAMS}/guest.sock`,
          noncePath: `${CONTROL_DIRECTORY}/nonce`,
          deadlineBootMs: request.deadlineBootMs,
        }),
      ],
    })
    const log = openSync(join(folder, 'bwrap.log'), 'a', 0o600)
    const seccomp = openSync(join(folder, 'seccomp'), 'r')
    const status = openSync(join(folder, 'status'), 'w')
    try {
      const child = spawn('bwrap', words, {
        stdio: ['ignore', log, log, seccomp, status],
        env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
        cwd: '/',
        detached: true,
        ...this.#deps.user,
      })
      child.on('error', () => {}) // it has no pid then, which is what is looked at
      child.unref()
      if (child.pid === undefined) throw new Failure('unsupported-here', 'bwrap is not installed')
      return child.pid
    } finally {
      for (const fd of [log, seccomp, status]) closeSync(fd)
    }
  }

  async #innerPid(request: StartRequest, outer: number): Promise<number> {
    const until = this.#deps.clock.monotonicMs() + STARTED_MS_MAX
    for (;;) {
      const [, pid] = /"child-pid": (\d+)/.exec(readFileSync(join(request.folder, 'status'), 'utf8')) ?? []
      if (pid !== undefined) return Number(pid)
      const state = hostProcess(outer)?.state ?? 'Z'
      if (state === 'Z' || this.#deps.clock.monotonicMs() > until) {
        const said = readFileSync(join(request.folder, 'bwrap.log'), 'utf8').trim()
        throw new Failure('sandbox-failed', `bwrap failed: ${said || 'no answer'}`, { said })
      }
      await this.#deps.clock.sleep(POLL_MS)
    }
  }
}

function maskedHere() {
  const kindOf = (path: string) => statSync(path, { throwIfNoEntry: false })
  return {
    files: MASKED_PATHS.filter((path) => kindOf(path)?.isFile()),
    directories: MASKED_PATHS.filter((path) => kindOf(path)?.isDirectory()),
  }
}
