import type { Duplex } from 'node:stream'
import { Failure } from '@holdfast/base/failure'
import type { ExecRequest } from '@holdfast/protocol/exec'
import type { FsyncPolicy } from '@holdfast/protocol/sandbox-spec'
import type { SandboxCgroup } from './cgroup/sandbox-cgroup.ts'
import { type EndDeps, killSandbox, removeSandbox } from './end-sandbox.ts'
import { type GuestPlaces, guestCommand } from './guest-command.ts'
import type { Holdinit } from './holdinit/holdinit.ts'
import type { GuestAnswer, GuestCall, Sandbox, SandboxExec } from './runtime.ts'
import type { RecordedSandbox } from './sandbox-record.ts'

export interface RunningSandboxParts {
  readonly recorded: RecordedSandbox
  readonly pid: number
  readonly fsync: FsyncPolicy
  readonly link: Holdinit
  readonly places: GuestPlaces
  /** Null where it has none of its own. */
  readonly cgroup: SandboxCgroup | null
}

/** A sandbox of any runtime: what differs between them is how it came to be. */
export class RunningSandbox implements Sandbox {
  readonly id: string
  readonly pid: number
  readonly fsync: FsyncPolicy
  readonly ended: Promise<void>
  readonly #parts: RunningSandboxParts
  readonly #deps: EndDeps
  #killing: Promise<void> | undefined
  /** What is left of it on the host goes after its end, without anybody waiting. */
  #removal: Promise<void> | undefined

  constructor(deps: EndDeps, parts: RunningSandboxParts) {
    this.#deps = deps
    this.#parts = parts
    this.id = parts.recorded.record.id
    this.pid = parts.pid
    this.fsync = parts.fsync
    // Its first process ended, or no longer speaks: either way nothing of it may run on.
    this.ended = parts.link.ended.then(() => this.kill()).catch(() => {})
  }

  get cgroups(): readonly string[] {
    const freezer = this.#parts.cgroup?.freezer
    return freezer === undefined ? [] : [freezer]
  }

  cpuNs(): number | null {
    return this.#parts.cgroup?.cpuNs() ?? null
  }

  oomKills(): number {
    return this.#parts.cgroup?.oomKills() ?? 0
  }

  async exec(request: ExecRequest): Promise<SandboxExec> {
    this.#assertThere()
    return await this.#parts.link.exec(guestCommand(this.#parts.places, request))
  }

  async connect(port: number): Promise<Duplex> {
    this.#assertThere()
    return await this.#parts.link.connect(port)
  }

  async extend(deadlineBootMs: number): Promise<void> {
    this.#assertThere()
    await this.#parts.link.extend(deadlineBootMs)
  }

  onGuestCall(answer: (call: GuestCall) => Promise<GuestAnswer>): void {
    this.#parts.link.onGuestCall(answer)
  }

  /** Once; who calls again waits for the same end, and tries anew only after a failure. */
  async kill(): Promise<void> {
    this.#killing ??= this.#kill().catch((error) => {
      this.#killing = undefined
      throw error
    })
    await this.#killing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    await this.#removal
  }

  async #kill(): Promise<void> {
    const { recorded, link, cgroup } = this.#parts
    await killSandbox(this.#deps.clock, recorded)
    cgroup?.oomKills()
    cgroup?.cpuNs()
    await link[Symbol.asyncDispose]()
    this.#removal = removeSandbox(this.#deps, recorded).catch(() => {})
  }

  #assertThere(): void {
    if (this.#killing !== undefined)
      throw new Failure('sandbox-gone', `the sandbox ${this.id} has ended`, { sandbox: this.id })
  }
}
