import type {
  CreateExposure,
  CreateLink,
  CreateService,
  Deploy,
  Deployed,
  Exposure,
  Link,
  Service,
} from '@holdfast/protocol/rest/exposure'
import { type Api, type Asked, type Call, type CallOptions, pathOf, type Shown } from './api.ts'

export type ExposureState = Shown<typeof Exposure>
export type ServiceState = Shown<typeof Service>
export type Access = ExposureState['access']

interface Items<Item> {
  readonly items: readonly Item[]
}

/** Ports of a workspace that have an URL. */
export class Exposures {
  readonly #api: Api
  readonly #base: readonly string[]

  constructor(api: Api, workspace: string) {
    this.#api = api
    this.#base = ['workspaces', workspace, 'exposures']
  }

  /** Gives a port an URL. A port that has one keeps it. */
  async open(
    port: number,
    options: CallOptions & { readonly access?: Access | undefined } = {},
  ): Promise<ExposureState> {
    const { access, signal } = options
    const body: Asked<typeof CreateExposure> = { port, access }
    return await this.#api.json({ method: 'POST', path: pathOf(...this.#base), body, signal })
  }

  async list(options: CallOptions = {}): Promise<readonly ExposureState[]> {
    const call: Call = { method: 'GET', path: pathOf(...this.#base), ...options }
    return (await this.#api.json<Items<ExposureState>>(call)).items
  }

  async close(port: number, options: CallOptions = {}): Promise<void> {
    await this.#api.finish({ method: 'DELETE', path: pathOf(...this.#base, String(port)), ...options })
  }

  /** An URL that lets whoever has it in until it expires. */
  async createLink(
    port: number,
    options: CallOptions & { readonly expiresInMs?: number | undefined } = {},
  ): Promise<Shown<typeof Link>> {
    const { expiresInMs, signal } = options
    const body: Asked<typeof CreateLink> = { expiresInMs }
    const path = pathOf(...this.#base, String(port), 'links')
    return await this.#api.json({ method: 'POST', path, body, signal })
  }
}

/** Commands that are started again after they end, and when the workspace is resumed. */
export class Services {
  readonly #api: Api
  readonly #base: readonly string[]

  constructor(api: Api, workspace: string) {
    this.#api = api
    this.#base = ['workspaces', workspace, 'services']
  }

  /** Adds a service, or puts it in the place of the one of that name. */
  async create(service: Asked<typeof CreateService>, options: CallOptions = {}): Promise<ServiceState> {
    return await this.#api.json({
      method: 'POST',
      path: pathOf(...this.#base),
      body: service,
      ...options,
    })
  }

  async list(options: CallOptions = {}): Promise<readonly ServiceState[]> {
    const call: Call = { method: 'GET', path: pathOf(...this.#base), ...options }
    return (await this.#api.json<Items<ServiceState>>(call)).items
  }

  /** Ends a service and forgets it. */
  async remove(name: string, options: CallOptions = {}): Promise<void> {
    await this.#api.finish({ method: 'DELETE', path: pathOf(...this.#base, name), ...options })
  }
}

export type DeployOptions = Asked<typeof Deploy>
export type Deployment = Shown<typeof Deployed>
