import type { ListWorkspaces } from '@holdfast/protocol/rest/workspace'
import { Api, type Call, type CallOptions, pathOf } from './api.ts'
import { type ClientGround, platformGround } from './client-ground.ts'
import { type EventsOptions, eventsOfTopics, type FollowedEvent } from './events.ts'
import { pageItems } from './page-items.ts'
import { Platform } from './platform.ts'
import { RETRY_DEFAULT, type RetryPolicy } from './retry.ts'
import { type CreateOptions, Workspace, type WorkspaceState } from './workspace.ts'

export interface HoldfastOptions {
  /** `http://127.0.0.1:7070`, without `/v1`. */
  readonly url: string
  readonly apiKey: string
  readonly fetch?: typeof globalThis.fetch
  /** For the server's log: who calls. A browser sets its own. */
  readonly agent?: string
  readonly retry?: Partial<RetryPolicy>
  readonly ground?: ClientGround
}

export interface ListOptions extends CallOptions {
  readonly status?: WorkspaceState['status'] | undefined
  readonly labels?: Readonly<Record<string, string>>
  readonly name?: string
  readonly includeArchived?: boolean
}

/** A Holdfast server, as the holder of one key sees it. */
export class Holdfast {
  readonly #api: Api
  readonly platform: Platform

  constructor(options: HoldfastOptions) {
    const { url, apiKey, agent, ground = platformGround } = options
    const retry = { ...RETRY_DEFAULT, ...options.retry }
    const { fetch = ground.fetch } = options
    this.#api = new Api({ url, apiKey, agent, retry, ground: { ...ground, fetch } })
    this.platform = new Platform(this.#api)
  }

  /** Creates a workspace that is ready to run; with `ifExists: 'connect'` an existing one of that name serves. */
  async create(options: CreateOptions & CallOptions = {}): Promise<Workspace> {
    const { signal, ...body } = options
    const state = await this.#api.json<WorkspaceState>({
      method: 'POST',
      path: pathOf('workspaces'),
      query: { wait: '30s' },
      body,
      signal,
    })
    return await new Workspace(this.#api, state).ready({ signal })
  }

  /** Makes a stopped workspace of what `Generations.export` gave. */
  async importBundle(
    bundle: Uint8Array | ReadableStream<Uint8Array>,
    options: CallOptions & { readonly name?: string | undefined } = {},
  ): Promise<Workspace> {
    const { name, signal } = options
    const state = await this.#api.json<WorkspaceState>({
      ...{ method: 'POST', path: pathOf('workspaces', 'import'), query: { name }, signal },
      ...{ bytes: bundle, contentType: 'application/x-tar' },
    })
    return new Workspace(this.#api, state)
  }

  /** The workspace of that id or name, in whatever status it is. Rejects with `not-found`. */
  async connect(idOrName: string, options: CallOptions = {}): Promise<Workspace> {
    const path = pathOf('workspaces', idOrName)
    return new Workspace(this.#api, await this.#api.json<WorkspaceState>({ method: 'GET', path, ...options }))
  }

  /** Newest first. */
  async *list(options: ListOptions = {}): AsyncGenerator<Workspace, void> {
    const { labels = {}, signal, ...filter } = options
    const label = Object.entries(labels).map(([name, value]) => `${name}=${value}`)
    const { includeArchived, ...rest } = filter
    const query = { ...rest, label, include_archived: includeArchived } satisfies QueryOfList
    const states = pageItems(
      async (cursor) =>
        await this.#api.json<{
          readonly items: readonly WorkspaceState[]
          readonly nextCursor: string | null
        }>({ method: 'GET', path: pathOf('workspaces'), query: { ...query, cursor }, signal }),
    )
    for await (const state of states) yield new Workspace(this.#api, state)
  }

  /** What happens, as it happens. */
  events(options: EventsOptions = {}): AsyncGenerator<FollowedEvent, void> {
    return eventsOfTopics(this.#api, options)
  }

  /** A call that this client has no method for. Rejects like every other. */
  async request(call: Call): Promise<Response> {
    return await this.#api.open(call)
  }
}

type QueryOfList = {
  readonly [Name in keyof (typeof ListWorkspaces)['_zod']['input']]?: unknown
}
