import { isDeepStrictEqual } from 'node:util'
import { Failure } from '@holdfast/base/failure'
import type { ServiceSpec, ServiceState } from '@holdfast/protocol/service'
import { Service, type ServiceDeps } from './service.ts'

/** The services of one sandbox. */
export class ServiceSet implements AsyncDisposable {
  readonly #deps: ServiceDeps
  readonly #services = new Map<string, Service>()

  constructor(deps: ServiceDeps) {
    this.#deps = deps
  }

  get states(): ServiceState[] {
    return Array.from(this.#services.values(), (service) => service.state)
  }

  /** Stops what is not named any more, or named otherwise, and starts what is new. */
  async set(specs: readonly ServiceSpec[]): Promise<void> {
    const wanted = new Map(specs.map((spec) => [spec.name, spec]))
    if (wanted.size !== specs.length) throw new Failure('invalid-argument', 'two services have one name')
    const ending = [...this.#services.values()].filter(
      ({ spec }) => !isDeepStrictEqual(spec, wanted.get(spec.name)),
    )
    for (const { spec } of ending) this.#services.delete(spec.name)
    await Promise.all(ending.map((service) => service.stop()))
    for (const spec of specs)
      if (!this.#services.has(spec.name)) this.#services.set(spec.name, new Service(this.#deps, spec))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.set([])
  }
}
