import type {
  CheckpointTaken,
  CreateCheckpoint,
  Diff,
  Durable,
  GenerationEntries,
  SqliteAnswer,
  Generation as WireGeneration,
} from '@holdfast/protocol/rest/generation'
import { type Api, type Asked, type CallOptions, pathOf, type Shown } from './api.ts'
import { pageItems } from './page-items.ts'

export type Generation = Shown<{ readonly _zod: { readonly output: WireGeneration } }>
/** A generation that was asked for, and how long the workspace stood still for it. */
export type DurableGeneration = Shown<typeof Durable>

/** What a checkpoint answers; without a generation when it is not durable yet. */
export type TakenCheckpoint = Shown<typeof CheckpointTaken>

export type GenerationEntry = Shown<typeof GenerationEntries>['entries'][number]

interface GenerationPage {
  readonly items: readonly Generation[]
  readonly nextCursor: string | null
}

/**
 * The committed states of a workspace. A generation is named by its id, the beginning of one, its number, or `head`.
 */
export class Generations {
  readonly #api: Api
  readonly #base: readonly string[]

  constructor(api: Api, workspace: string) {
    this.#api = api
    this.#base = ['workspaces', workspace, 'generations']
  }

  /** Newest first. */
  list(options: CallOptions & { readonly pageItems?: number } = {}): AsyncGenerator<Generation, void> {
    const { pageItems: limit, signal } = options
    return pageItems(
      async (cursor) =>
        await this.#api.json<GenerationPage>({
          method: 'GET',
          path: pathOf(...this.#base),
          query: { cursor, limit },
          signal,
        }),
    )
  }

  async get(generation: string, options: CallOptions = {}): Promise<Generation> {
    return await this.#api.json({ method: 'GET', path: pathOf(...this.#base, generation), ...options })
  }

  /** What changed since `from`, or since its parent. */
  async diff(
    generation: string,
    options: CallOptions & { readonly from?: string | undefined } = {},
  ): Promise<Shown<typeof Diff>> {
    const { from, signal } = options
    const path = pathOf(...this.#base, generation, 'diff')
    return await this.#api.json({ method: 'GET', path, query: { from }, signal })
  }

  /** The names in a directory as it was, by their bytes. */
  entries(
    generation: string,
    path: string,
    options: CallOptions = {},
  ): AsyncGenerator<GenerationEntry, void> {
    return pageItems(async (cursor) => {
      const { entries: items, nextCursor } = await this.#api.json<Shown<typeof GenerationEntries>>({
        method: 'GET',
        path: pathOf(...this.#base, generation, 'files'),
        query: { path, cursor },
        ...options,
      })
      return { items, nextCursor }
    })
  }

  /** The bytes of a file as it was. */
  async download(
    generation: string,
    path: string,
    options: CallOptions = {},
  ): Promise<ReadableStream<Uint8Array>> {
    const { body } = await this.#api.open({
      method: 'GET',
      path: pathOf(...this.#base, generation, 'files'),
      query: { path },
      headers: { accept: 'application/octet-stream' },
      ...options,
    })
    return body ?? ReadableStream.from([])
  }

  /** One generation, or all that are retained, as one file that `Holdfast.importBundle` takes. */
  async export(
    options: CallOptions & { readonly generation?: string | undefined } = {},
  ): Promise<ReadableStream<Uint8Array>> {
    const { generation, signal } = options
    const path = pathOf(...this.#base.slice(0, -1), 'export')
    const { body } = await this.#api.open({ method: 'POST', path, query: { generation }, signal })
    return body ?? ReadableStream.from([])
  }

  /** The tables of a SQLite database as it was, or the answer to read-only SQL. */
  async sqlite(
    generation: string,
    query: { readonly path: string; readonly sql?: string },
    options: CallOptions = {},
  ): Promise<Shown<typeof SqliteAnswer>> {
    const path = pathOf(...this.#base, generation, 'sqlite')
    return await this.#api.json({ method: 'GET', path, query: { ...query }, ...options })
  }
}

/** Makes a request with the epoch in which the workspace was last heard of. */
type OfRun = <Answer>(request: (epoch: number) => Promise<Answer>) => Promise<Answer>

type Until = 'local' | 'durable'

/** Generations that were named and that retention keeps. */
export class Checkpoints {
  readonly #api: Api
  readonly #path: string
  readonly #ofRun: OfRun

  constructor(api: Api, workspace: string, ofRun: OfRun) {
    this.#api = api
    this.#path = pathOf('workspaces', workspace, 'checkpoints')
    this.#ofRun = ofRun
  }

  /**
   * Resolves when the checkpoint is durable. With `until: 'local'` when its instant is fixed on the host: which generation
   * it becomes is told by the event `checkpoint_created`, and by `checkpoint_failed` should the host or the store fail
   * before it is durable. Rejects with `lease-lost` as `Workspace.sync` does.
   */
  create(message?: string, options?: CallOptions & { readonly until?: 'durable' }): Promise<DurableGeneration>
  create(message: string, options: CallOptions & { readonly until: Until }): Promise<TakenCheckpoint>
  async create(
    message = '',
    options: CallOptions & { readonly until?: Until | undefined } = {},
  ): Promise<TakenCheckpoint> {
    const { until, signal } = options
    return await this.#ofRun(async (epoch) => {
      const body: Asked<typeof CreateCheckpoint> = { epoch, message, until }
      return await this.#api.json<TakenCheckpoint>({ method: 'POST', path: this.#path, body, signal })
    })
  }

  /** Newest first. */
  list(options: CallOptions = {}): AsyncGenerator<Generation, void> {
    return pageItems(
      async (cursor) =>
        await this.#api.json<GenerationPage>({
          method: 'GET',
          path: this.#path,
          query: { cursor },
          ...options,
        }),
    )
  }
}
