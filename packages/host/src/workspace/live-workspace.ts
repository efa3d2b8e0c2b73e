import { allSettled } from '@holdfast/base/all-settled'
import { assert } from '@holdfast/base/assert'
import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import { asBtrfs } from '@holdfast/generations/directory/open-volume'
import type { FreezeDeps } from '@holdfast/generations/volume/freezer'
import type { Volume } from '@holdfast/generations/volume/volume'
import type { WritePressure } from '@holdfast/protocol/host-calls'
import type { SandboxFacts, SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import type { ServiceSpec, ServiceState } from '@holdfast/protocol/service'
import { makePackPlaces } from '@holdfast/sandbox/pack/make-pack-places'
import type { Reservation, Started } from '@holdfast/sandbox/pool/reservation'
import type { Runtime, Sandbox } from '@holdfast/sandbox/runtime'
import { makeKeptSystem } from '@holdfast/sandbox/system/kept-system'
import type { MovedAside } from '@holdfast/sandbox/volume-place/make-directory'
import type { ExecRegistry } from '../exec/exec-registry.ts'
import { ServiceSet } from '../services/service-set.ts'
import type { HostLayout } from '../volume/host-layout.ts'
import { type DeadlineKeeper, WatchedSandbox } from '../watchdog/watched-sandbox.ts'
import { CaptureLoop, type CaptureParts, type CommittedRow } from './capture-loop.ts'
import { FrozenWorkload } from './frozen-workload.ts'
import type { ResidentLease } from './leases.ts'
import type { LocalContent } from './local-content.ts'
import { type ReserveDeps, reserveSandbox } from './reserve-sandbox.ts'
import type { HeldFiles, ResidentFiles, ResidentWriter } from './resident-files.ts'
import type { Brake, BrakedParts } from './write-brake.ts'

const EVERY_MS = 1000
/** A sandbox that ends so short before its deadline ended for it, where no watchdog tells. */
const DUE_MS = 400

export interface LiveDeps extends ReserveDeps {
  readonly clock: Clock
  readonly holdfs: FreezeDeps['holdfs']
  readonly layout: Pick<HostLayout, 'sandboxes'>
  readonly registry: ExecRegistry
  /** Keeps the deadlines of all sandboxes, whatever happens to this process. */
  readonly watchdog: DeadlineKeeper
  /** Slows writers down that outrun the history, or a disk that fills. */
  readonly startBrake: (parts: BrakedParts) => Brake
  /** The sandbox has ended without being told to, or captures have: nothing goes on by itself. */
  readonly onBroken: (failure: Failure) => void
  /** A generation was committed here. */
  readonly onCommitted: (generation: CommittedRow) => void
  readonly onService: (state: ServiceState) => void
  readonly onPinned: CaptureParts['onPinned']
  /** Something of the guest was in the way of a pack. */
  readonly onMovedAside: (moved: MovedAside) => void
  /** What user code asks on its own socket. */
  readonly onGuestCall: Parameters<Sandbox['onGuestCall']>[0]
}

export interface LiveParts extends LocalContent {
  readonly lease: ResidentLease
  readonly files: ResidentFiles
  readonly runtime: Runtime
  /** For the first run. */
  readonly reserved: Reservation
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
  #reserved: Reservation | undefined
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
    this.#reserved = parts.reserved
    this.#held = parts.files.hold(parts.lease.held)
    parts.lease.onExtended((deadlineBootMs) => this.#extend(deadlineBootMs))
  }

  /** Starts a fresh sandbox on the files. Rejects as `Runtime.start` and the volume do; then none runs. */
  async run(services: readonly ServiceSpec[]): Promise<void> {
    this.reserve()
    await using reserved = this.#reserved
    this.#reserved = undefined
    assert(reserved, 'a sandbox was reserved')
    try {
      await allSettled([this.#limit(), this.#watch(reserved.id)])
      this.files.markDirty()
      this.#makePlaces()
      this.#running = await this.#begin(reserved)
    } catch (error) {
      await this.#watched?.end()
      throw error
    }
    const { sandbox } = this.#running
    this.#hasEnded = false
    void sandbox.ended.then(() => this.#noteEnd(sandbox))
    this.#extend(this.lease.deadlineBootMs)
    await this.#running.services.set(services)
  }

  /** Begins to make the sandbox of the next run, if none waits: beside what its files still need. */
  reserve(): void {
    const { org } = this.lease.held
    this.#reserved ??= reserveSandbox(this.#deps, { runtime: this.#runtime, org, spec: this.spec })
  }

  /** There is no next run after all, or not yet. */
  async giveBack(): Promise<void> {
    const reserved = this.#reserved
    this.#reserved = undefined
    await reserved?.[Symbol.asyncDispose]()
  }

  /** What is mounted in the files, or kept beside them, has its place there before a sandbox begins on them. */
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
      await this.giveBack()
      await this.files[Symbol.asyncDispose]()
    }
  }

  #expectRunning(): Running {
    if (this.#running) return this.#running
    throw new Failure('invalid-state', 'the workspace does not run')
  }

  async #limit(): Promise<void> {
    this.#isLimited = await this.files.limit(this.spec.limits.diskBytes)
  }

  /** What the history says is asked while the sandbox starts: nothing of it depends on that. */
  async #begin(reserved: Reservation): Promise<Running> {
    const starting = this.#startSandbox(reserved)
    const opening = this.#held.openWriter()
    try {
      await allSettled<unknown>([starting, opening])
      const { sandbox, start } = await starting
      return { ...(await this.#attend(sandbox, await opening)), start }
    } catch (error) {
      const started = await starting.catch(() => undefined)
      await started?.sandbox.kill()
      throw error
    }
  }

  async #startSandbox(reserved: Reservation): Promise<Started> {
    const { layout, onGuestCall } = this.#deps
    const { files, lease, spec } = this
    const { id } = reserved
    const request = {
      ...{ id, folder: `${layout.sandboxes}/${id}`, spec, volumePath: files.path, packs: this.#packs },
      deadlineBootMs: lease.deadlineBootMs,
    }
    const started = await reserved.start(request)
    started.sandbox.onGuestCall(onGuestCall)
    return started
  }

  /** From before anybody's program is in it: there is no moment in which nobody would kill that. */
  async #watch(id: string): Promise<void> {
    const cgroups = this.#runtime.cgroupsOf(id)
    const { deadlineBootMs } = this.lease
    this.#watched = await WatchedSandbox.begin(this.#deps.watchdog, { name: id, deadlineBootMs, cgroups })
    if (this.lease.deadlineBootMs > deadlineBootMs) this.#watched?.extend(this.lease.deadlineBootMs)
  }

  async #attend(sandbox: Sandbox, writer: ResidentWriter): Promise<Omit<Running, 'start'>> {
    const { clock, registry, startBrake, onBroken, onCommitted, onService, onPinned } = this.#deps
    const volume = await this.files.openVolume()
    const workload = new FrozenWorkload(this.#deps, sandbox)
    const captures = CaptureLoop.start({
      clock,
      files: this.files,
      writer,
      volume,
      workload,
      everyMs: EVERY_MS,
      onCommitted,
      onPinned,
      onFailed: onBroken,
    })
    const services = new ServiceSet({ clock, sandbox, registry, onChanged: onService })
    const usedBytes = async () => (await asBtrfs(volume)?.usedBytes()) ?? null
    const brake = startBrake({ workload, captures, files: { path: this.files.path, usedBytes } })
    return { sandbox, volume, workload, captures, brake, services }
  }

  async #noteEnd(sandbox: Sandbox): Promise<void> {
    if (this.#running?.sandbox !== sandbox || this.#isEnding) return
    this.#running.workload.noteEnd()
    this.#hasEnded = true
    const { deadlineBootMs, remainingMs } = this.lease
    const isKilled = remainingMs < DUE_MS || (await this.#watched?.isKilled(deadlineBootMs))
    this.#deps.onBroken(
      isKilled
        ? new Failure('lease-lost', 'the lease was not renewed before the deadline of the sandbox')
        : new Failure('sandbox-gone', 'the sandbox has ended by itself, or was killed from outside'),
    )
  }

  #extend(deadlineBootMs: number): void {
    this.#watched?.extend(deadlineBootMs)
    this.#running?.sandbox.extend(deadlineBootMs).catch(() => {}) // whoever misses its deadline is killed
  }
}
