import { mkdirSync } from 'node:fs'
import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import { expectedCgroup, expectedFreezers } from '../cgroup/expected-cgroup.ts'
import { type EndDeps, killRecorded } from '../end-sandbox.ts'
import { Holdinit } from '../holdinit/holdinit.ts'
import { holdinitArguments, newNonce } from '../holdinit/start-holdinit.ts'
import { assertPresent, type NativePrograms } from '../native-programs.ts'
import { probeRuntime } from '../probe-runtime.ts'
import { proveFsync } from '../prove-fsync.ts'
import { RunningSandbox, type RunningSandboxParts } from '../running-sandbox.ts'
import type {
  ClaimRequest,
  PreparedSandbox,
  PrepareRequest,
  Runtime,
  Sandbox,
  StartRequest,
} from '../runtime.ts'
import type { RecordedSandbox } from '../sandbox-record.ts'
import { startRecorded } from '../start-recorded.ts'
import { planRoot } from '../system/assemble-root.ts'
import { isKeptSystem, keptSystemPath } from '../system/kept-system.ts'
import { GUEST_PROGRAMS, type RootPlan } from '../system/root-plan.ts'
import { UidRanges } from '../uid-ranges.ts'
import { readOnlyBind, tmpfs } from './oci-config.ts'
import { PreparedRunc, placesOf } from './prepared-runc.ts'
import { RuncContainer } from './runc-container.ts'

const UID_RANGES_FOLDER = '/run/holdfast/uid-ranges'
/** Of the first process alone: its socket. */
const CONTROL_DIRECTORY = '/run/holdinit'
const CONTROL_SOCKET = `${CONTROL_DIRECTORY}/control.sock`
const NONCE = 'fd:3'
const CONTROL_BYTES = 64 * 1024
const HOLDINIT = `${GUEST_PROGRAMS}/holdinit`

export interface RuncRuntimeDeps {
  readonly clock: Clock
  readonly randomness: Randomness
  readonly programs: NativePrograms
  /** The most open files that this process may grant to others. */
  readonly openFilesMax: number
}

/** Commands die first when memory is short, then whatever is not a sandbox. */
const OOM_SCORE = 500

interface RootRequest extends PrepareRequest {
  /** Where what is written to the system is kept; null: nowhere. */
  readonly upperPath: string | null
}

function upperOf({ spec, volumePath }: StartRequest): string | null {
  if (spec.systemWrites !== 'kept') return null
  if (isKeptSystem(volumePath)) return keptSystemPath(volumePath)
  throw new Failure('sandbox-failed', 'the volume has no place for what is written to the system')
}

/** Containers of runc, each in a user namespace with ids of its own. Needs root. */
export class RuncRuntime implements Runtime {
  readonly kind = 'runc'
  readonly isolation = 'shared-kernel'
  readonly #deps: RuncRuntimeDeps
  readonly #uidRanges = new UidRanges(UID_RANGES_FOLDER)

  constructor(deps: RuncRuntimeDeps) {
    this.#deps = deps
  }

  async probe(): Promise<string | null> {
    return process.geteuid?.() === 0 ? await probeRuntime(this) : 'only root may run it'
  }

  async start(request: StartRequest): Promise<Sandbox> {
    const upperPath = upperOf(request)
    return await this.#make({ ...request, upperPath }, async (recorded, container, nonce) => {
      const parts = await this.#run(request, { recorded, container, nonce, volume: request })
      return new RunningSandbox(this.#endDeps, { ...parts, places: placesOf(request.spec.environment) })
    })
  }

  async prepare(request: PrepareRequest): Promise<PreparedSandbox> {
    if (request.spec.systemWrites === 'kept')
      throw new Failure('invalid-argument', 'a system that is kept begins with the volume that keeps it')
    return await this.#make({ ...request, upperPath: null }, async (recorded, container, nonce) => {
      const parts = await this.#run(request, { recorded, container, nonce, volume: null })
      return await PreparedRunc.freeze(this.#endDeps, container, {
        parts,
        deadlineBootMs: request.deadlineBootMs,
      })
    })
  }

  async #make<T>(
    request: RootRequest,
    use: (recorded: RecordedSandbox, container: RuncContainer, nonce: Uint8Array) => Promise<T>,
  ): Promise<T> {
    assertPresent(this.#deps.programs)
    const plan = planRoot(request.spec.system)
    mkdirSync(request.folder, { recursive: true, mode: 0o700 })
    const firstUid = this.#uidRanges.take(request.folder)
    const recorded: RecordedSandbox = {
      folder: request.folder,
      record: {
        id: request.id,
        runtime: this.kind,
        cgroup: Object.fromEntries(expectedCgroup(request.id)),
        processes: [],
        firstUid,
      },
    }
    const nonce = newNonce(this.#deps.randomness)
    return await startRecorded(this.#endDeps, recorded, async () =>
      use(recorded, await this.#create(request, { firstUid, plan, given: nonce }), nonce),
    )
  }

  cgroupsOf(id: string): readonly string[] {
    return expectedFreezers(id)
  }

  async killLeftovers(folder: string): Promise<void> {
    await killRecorded(this.#endDeps, folder)
  }

  async #create(
    request: RootRequest,
    made: { readonly firstUid: number; readonly plan: RootPlan; readonly given: Uint8Array },
  ): Promise<RuncContainer> {
    const { programs } = this.#deps
    const argv = [
      HOLDINIT,
      ...holdinitArguments({
        controlPath: CONTROL_SOCKET,
        guestPath: `${GUEST_PROGRAMS}/guest.sock`,
        noncePath: NONCE,
        deadlineBootMs: request.deadlineBootMs,
        allowRoot: request.spec.allowRoot,
        oomScore: OOM_SCORE,
      }),
    ]
    const mounts = [
      tmpfs(CONTROL_DIRECTORY, ['noexec', `size=${CONTROL_BYTES}`, 'nr_inodes=16', 'mode=700']),
      readOnlyBind(programs.holdinit, HOLDINIT),
      readOnlyBind(programs.holdinit, `${GUEST_PROGRAMS}/hold`),
      readOnlyBind(programs.node, `${GUEST_PROGRAMS}/node`),
    ]
    return await RuncContainer.create(this.#deps, {
      ...request,
      ...made,
      argv,
      mounts,
      environment: { PATH: '/usr/bin:/bin' },
      openFilesMax: this.#deps.openFilesMax,
      architecture: process.arch,
    })
  }

  async #run(
    request: PrepareRequest,
    made: {
      readonly recorded: RecordedSandbox
      readonly container: RuncContainer
      readonly nonce: Uint8Array
      readonly volume: Pick<ClaimRequest, 'volumePath' | 'packs'> | null
    },
  ): Promise<Omit<RunningSandboxParts, 'places'>> {
    const { recorded, container, nonce, volume } = made
    if (volume !== null) await container.mountWorkspace(volume.volumePath, volume.packs)
    const link = await Holdinit.connect({
      socketPath: `/proc/${container.pid}/root${CONTROL_SOCKET}`,
      nonce,
      clock: this.#deps.clock,
      oomKills: () => container.cgroup.oomKills(),
    })
    return {
      recorded,
      pid: container.pid,
      fsync: await proveFsync((command) => link.exec(command), request.spec.fsync),
      link,
      cgroup: container.cgroup,
    }
  }

  get #endDeps(): EndDeps {
    return { clock: this.#deps.clock, uidRanges: this.#uidRanges }
  }
}
