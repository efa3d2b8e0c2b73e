import { assert } from '@holdfast/base/assert'
import { type EndDeps, killSandbox, removeSandbox } from '../end-sandbox.ts'
import type { GuestPlaces } from '../guest-command.ts'
import { RunningSandbox, type RunningSandboxParts } from '../running-sandbox.ts'
import type { ClaimRequest, PreparedSandbox, Sandbox } from '../runtime.ts'
import { GUEST_ENVIRONMENT, GUEST_WORKSPACE } from '../system/root-plan.ts'
import type { RuncContainer } from './runc-container.ts'

type WaitingParts = Omit<RunningSandboxParts, 'places'>

/** Where commands of a container run, and what they find there beside the workspace's own environment. */
export function placesOf(environment: Readonly<Record<string, string>>): GuestPlaces {
  return { workspace: GUEST_WORKSPACE, environment: { ...GUEST_ENVIRONMENT, ...environment } }
}

/** A container whose first process waits, frozen, for a volume. */
export class PreparedRunc implements PreparedSandbox {
  readonly id: string
  readonly ended: Promise<void>
  readonly #deps: EndDeps
  readonly #container: RuncContainer
  readonly #parts: WaitingParts
  #deadlineBootMs: number
  #hasLeft = false

  private constructor(
    deps: EndDeps,
    container: RuncContainer,
    made: { readonly parts: WaitingParts; readonly deadlineBootMs: number },
  ) {
    this.#deps = deps
    this.#container = container
    this.#parts = made.parts
    this.#deadlineBootMs = made.deadlineBootMs
    this.id = container.id
    this.ended = made.parts.link.ended
  }

  static async freeze(
    deps: EndDeps,
    container: RuncContainer,
    made: { readonly parts: WaitingParts; readonly deadlineBootMs: number },
  ): Promise<PreparedRunc> {
    await container.cgroup.freeze()
    return new PreparedRunc(deps, container, made)
  }

  get deadlineBootMs(): number {
    return this.#deadlineBootMs
  }

  async extend(deadlineBootMs: number): Promise<void> {
    const { cgroup } = this.#container
    cgroup.thaw()
    await this.#parts.link.extend(deadlineBootMs)
    this.#deadlineBootMs = deadlineBootMs
    // Whoever claimed it meanwhile has thawed it for good.
    if (!this.#hasLeft) await cgroup.freeze()
  }

  async claim({ volumePath, packs, deadlineBootMs, environment }: ClaimRequest): Promise<Sandbox> {
    assert(!this.#hasLeft, 'a prepared sandbox is claimed once')
    this.#hasLeft = true
    try {
      await this.#container.mountWorkspace(volumePath, packs)
      // Nobody's program is in it: it may run before its deadline is the lease's.
      this.#container.cgroup.thaw()
      await this.#parts.link.extend(deadlineBootMs)
    } catch (error) {
      await this.#end()
      throw error
    }
    return new RunningSandbox(this.#deps, { ...this.#parts, places: placesOf(environment) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasLeft) return
    this.#hasLeft = true
    await this.#end()
  }

  async #end(): Promise<void> {
    const { recorded, link } = this.#parts
    await killSandbox(this.#deps.clock, recorded)
    await link[Symbol.asyncDispose]()
    await removeSandbox(this.#deps, recorded)
  }
}
