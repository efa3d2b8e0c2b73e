import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import type { Randomness } from '@holdfast/base/randomness'
import { asBtrfs } from '@holdfast/generations/directory/open-volume'
import type { FreezeDeps } from '@holdfast/generations/volume/freezer'
import type { Volume } from '@holdfast/generations/volume/volume'
import type { WritePressure } from '@holdfast/protocol/host-calls'
import type { SandboxFacts, SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import type { ServiceSpec, ServiceState } from '@holdfast/protocol/service'
import { makePackPlaces } from '@holdfast/sandbox/pack/make-pack-places'
import type { Started, WarmPool } from '@holdfast/sandbox/pool/warm-pool'
import type { Runtime, Sandbox } from '@holdfast/sandbox/runtime'
import { makeKeptSystem } from '@holdfast/sandbox/system/kept-system'
import type { MovedAside } from '@holdfast/sandbox/volume-place/make-directory'
import type { ExecRegistry } from '../exec/exec-registry.ts'
import { ServiceSet } from '../services/service-set.ts'
import type { HostLayout } from '../volume/host-layout.ts'
import { type DeadlineKeeper, WatchedSandbox } from '../watchdog/watched-sandbox.ts'
import { CaptureLoop, type CommittedRow } from './capture-loop.ts'
import { FrozenWorkload } from './frozen-workload.ts'
import type { ResidentLease } from './leases.ts'
import type { LocalContent } from './local-content.ts'
import type { HeldFiles, ResidentFiles } from './resident-files.ts'
import type { Brake, BrakedParts } from './write-brake.ts'

const EVERY_MS = 1000

export interface LiveDeps {
  readonly clock: Clock
  readonly randomness: Randomness
  readonly holdfs: FreezeDeps['holdfs']
  readonly layout: Pick<HostLayout, 'sandboxes'>
  readonly registry: ExecRegistry
  /** Keeps the deadlines of all sandboxes, whatever happens to this process. */
  readonly watchdog: DeadlineKeeper
  /** Slows writers down that outrun the history, or a disk that fills. */
  readonly startBrake: (parts: BrakedParts) => Brake
  /** Absent: every sandbox is started when it is needed. */
  readonly warm?: Pick<WarmPool, 'start'>
  /** The sandbox has ended without being told to, or captures have: nothing goes on by itself. */
  readonly onBroken: (failure: Failure) => void
  /** A generation was committed here. */
  readonly onCommitted: (generation: CommittedRow) => void
  readonly onService: (state: ServiceState) => void
  /** Something of the guest was in the way of a pack. */
  readonly onMovedAside: (moved: MovedAside) => void
  /** What user code asks on its own socket. */
  readonly onGuestCall: Parameters<Sandbox['onGuestCall']>[0]
}

export interface LiveParts extends LocalContent {
  readonly lease: ResidentLease
  readonly files: ResidentFiles
  readonly runtime: Runtime
}

interface Running {
  readonly sandbox: Sandbox
  readonly volume: Volume
  readonly workload: FrozenWorkload
  readonly captures: CaptureLoop
  readonly services: ServiceSet
  readonly brake: Brake
  readonly start: Started['start']
}

/**
 * What a workspace has while it is open: the lease, its files, and, once `run`, a sandbox with services and captures.
 * Disposing of it kills the sandbox and lets go of the files; the lease is the caller's to release.
 */
export class LiveWorkspace implements AsyncDisposable {
  readonly lease: ResidentLease
  readonly files: ResidentFiles
  readonly spec: SandboxSpec
  readonly #deps: LiveDeps
  readonly #runtime: Runtime
  readonly #packs: LocalContent['packs']
  readonly #held: HeldFiles
  #running: Running | undefined
  #watched: WatchedSandbox | undefined
  #isLimited = false
  #isEnding = false
  #hasEnded = false

  constructor(deps: LiveDeps, parts: LiveParts) {
    this.#deps = deps
    this.lease = parts.lease
    this.files = parts.files
    this.spec = parts.spec
    this.#packs = parts.packs
    this.#runtime = parts.runtime
    this.#held = parts.files.hold(parts.lease.held)
    parts.lease.onExtended((deadlineBootMs) => this.#extend(deadlineBootMs))
  }

  /** Starts a fresh sandbox on the files. Rejects as `Runtime.start` and the volume do; then none runs. */
  async run(services: readonly ServiceSpec[]): Promise<void> {
    this.#isLimited = await this.files.limit(this.spec.limits.diskBytes)
    this.files.markDirty()
    this.#makePlaces()
    const { sandbox, start } = await this.#startSandbox()
    try {
      this.#running = { ...(await this.#attend(sandbox)), start }
    } catch (error) {
      await sandbox.kill()
      await this.#watched?.end()
      throw error
    }
    this.#hasEnded = false
    void sandbox.ended.then(() => this.#noteEnd(sandbox))
    this.#extend(this.lease.deadlineBootMs)
    await this.#running.services.set(services)
  }

  /** Of what is mounted in the files, or kept beside them. */
  #makePlaces(): void {
    const { path } = this.files
    const names = this.#packs.map(({ name }) => name)
    const system = this.spec.systemWrites === 'kept' ? makeKeptSystem(path) : []
    for (const moved of [...system, ...makePackPlaces(path, names)]) this.#deps.onMovedAside(moved)
  }

  get sandbox(): Sandbox | undefined {
    return this.#running?.sandbox
  }

  /** Nothing runs in it any more. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  get captures(): CaptureLoop {
    return this.#expectRunning().captures
  }

  get services(): ServiceSet {
    return this.#expectRunning().services
  }

  get workload(): FrozenWorkload {
    return this.#expectRunning().workload
  }

  /** Tells of a generation that was committed beside the captures. */
  noteCommitted(generation: CommittedRow): void {
    this.#deps.onCommitted(generation)
  }

  get registry(): ExecRegistry {
    return this.#deps.registry
  }

  get sandboxFacts(): SandboxFacts | null {
    const running = this.#running
    if (running === undefined) return null
    return {
      runtime: this.#runtime.kind,
      isolation: this.#runtime.isolation,
      volume: this.files.kind,
      consistency: running.workload.freezer === null ? 'per-database' : 'cut',
      fsync: running.sandbox.fsync,
      diskLimit: this.#isLimited ? 'enforced' : 'none',
      start: running.start,
      packs: this.#packs.map(({ name, digest }) => ({ name, digest })),
    }
  }

  get pressure(): WritePressure {
    return this.#running?.brake.pressure ?? 'none'
  }

  /** Its end from now on is no surprise. Nothing runs when it resolves; captures go on. */
  async killSandbox(): Promise<void> {
    this.#isEnding = true
    const running = this.#running
    if (running === undefined) return
    await running.sandbox.kill()
    await this.#watched?.end()
    running.workload.noteEnd()
    this.#hasEnded = true
  }

  /** Ends captures and services of a sandbox that was killed; `run` starts another one. */
  async endRun(): Promise<void> {
    const running = this.#running
    await this.killSandbox()
    this.#running = undefined
    this.#isEnding = false
    await running?.brake[Symbol.asyncDispose]()
    await running?.services[Symbol.asyncDispose]()
    await running?.captures[Symbol.asyncDispose]()
    await running?.volume[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.endRun()
    } finally {
      this.#isEnding = true
      this.#held[Symbol.dispose]()
      await this.files[Symbol.asyncDispose]()
    }
  }

  #expectRunning(): Running {
    if (this.#running) return this.#running
    throw new Failure('invalid-state', 'the workspace does not run')
  }

  async #startSandbox(): Promise<Started> {
    const { layout, randomness, warm, onGuestCall } = this.#deps
    const { files, lease, spec } = this
    const id = newIdentifier('sb', randomness).replace('_', '-')
    const request = {
      ...{ id, folder: `${layout.sandboxes}/${id}`, spec, volumePath: files.path, packs: this.#packs },
      deadlineBootMs: lease.deadlineBootMs,
    }
    const { org } = lease.held
    const runtime = this.#runtime
    let started: Started | undefined
    await this.#watch(id)
    try {
      started = warm
        ? await warm.start({ runtime, org, spec }, request)
        : { sandbox: await runtime.start(request), start: 'cold' }
      if (started.sandbox.id !== id) await this.#watchInstead(started.sandbox.id)
      started.sandbox.onGuestCall(onGuestCall)
      return started
    } catch (error) {
      await started?.sandbox.kill()
      await this.#watched?.end()
      throw error
    }
  }

  /** One that was prepared has an id of its own; until now it had only its own deadline. */
  async #watchInstead(id: string): Promise<void> {
    await this.#watched?.end()
    await this.#watch(id)
  }

  /** From before its first process: there is no moment in which nobody would kill it. */
  async #watch(id: string): Promise<void> {
    const cgroups = this.#runtime.cgroupsOf(id)
    const { deadlineBootMs } = this.lease
    this.#watched = await WatchedSandbox.begin(this.#deps.watchdog, { name: id, deadlineBootMs, cgroups })
    if (this.lease.deadlineBootMs > deadlineBootMs) this.#watched?.extend(this.lease.deadlineBootMs)
  }

  async #attend(sandbox: Sandbox): Promise<Omit<Running, 'start'>> {
    const { clock, registry, startBrake, onBroken, onCommitted, onService } = this.#deps
    const writer = await this.#held.openWriter()
    const volume = await this.files.openVolume()
    const workload = new FrozenWorkload(this.#deps, sandbox)
    const captures = await CaptureLoop.start({
      clock,
      files: this.files,
      writer,
      volume,
      workload,
      everyMs: EVERY_MS,
      onCommitted,
      onFailed: onBroken,
    })
    const services = new ServiceSet({ clock, sandbox, registry, onChanged: onService })
    const usedBytes = async () => (await asBtrfs(volume)?.usedBytes()) ?? null
    const brake = startBrake({ workload, captures, files: { path: this.files.path, usedBytes } })
    return { sandbox, volume, workload, captures, brake, services }
  }

  #noteEnd(sandbox: Sandbox): void {
    if (this.#running?.sandbox !== sandbox || this.#isEnding) return
    this.#running.workload.noteEnd()
    this.#hasEnded = true
    this.#deps.onBroken(
      new Failure('sandbox-gone', 'the sandbox has ended by itself, or was killed from outside'),
    )
  }

  #extend(deadlineBootMs: number): void {
    this.#watched?.extend(deadlineBootMs)
    this.#running?.sandbox.extend(deadlineBootMs).catch(() => {}) // whoever misses its deadline is killed
  }
}
