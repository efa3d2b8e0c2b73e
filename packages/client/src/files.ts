import type {
  FileList,
  FoundLines,
  FoundPaths,
  MakeDirectory,
  MoveFile,
  File as WireFile,
} from '@holdfast/protocol/rest/files'
import { type Api, type Asked, type Call, type CallOptions, pathOf, type Shown } from './api.ts'
import { followEvents } from './event-stream.ts'
import { HoldfastError } from './holdfast-error.ts'
import { pageItems } from './page-items.ts'

export type FileState = Shown<typeof WireFile>

export interface FileEvent {
  /** `overflow`: some events were lost; look at the directory itself. */
  readonly kind: 'created' | 'changed' | 'removed' | 'overflow'
  readonly path: string
}

export interface ListOptions extends CallOptions {
  /** 1, the default: the names in the directory itself. */
  readonly depth?: number
}

export interface SearchOptions extends CallOptions {
  /** Where to look; the default is the whole workspace. */
  readonly path?: string
  readonly limit?: number
}

/** Bytes to write; a stream is sent as it comes. */
export type FileContent = string | Uint8Array | ReadableStream<Uint8Array>

/** Files of a workspace. Paths are relative to `/workspace`, or absolute below it. */
export class Files {
  readonly #api: Api
  readonly #base: readonly string[]

  constructor(api: Api, workspace: string) {
    this.#api = api
    this.#base = ['workspaces', workspace, 'files']
  }

  async read(path: string, options: CallOptions = {}): Promise<Uint8Array> {
    const response = await this.#api.open({ method: 'GET', path: this.#pathOf(path), ...options })
    return new Uint8Array(await response.arrayBuffer())
  }

  async readText(path: string, options: CallOptions = {}): Promise<string> {
    return new TextDecoder().decode(await this.read(path, options))
  }

  /** The bytes as they come. */
  async download(path: string, options: CallOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return await this.#stream({ method: 'GET', path: this.#pathOf(path), ...options })
  }

  /** Writes a whole file; missing directories above it are made. */
  async write(
    path: string,
    content: FileContent,
    options: CallOptions & { readonly mode?: number | undefined } = {},
  ): Promise<FileState> {
    const { mode, signal } = options
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
    return await this.#api.json({ method: 'PUT', path: this.#pathOf(path), query: { mode }, bytes, signal })
  }

  /** Sorted by name. */
  list(path = '.', options: ListOptions = {}): AsyncGenerator<FileState, void> {
    const { depth, signal } = options
    return pageItems(
      async (cursor) =>
        await this.#ask<Shown<typeof FileList>>({ path, list: '', depth, cursor }, { signal }),
    )
  }

  async stat(path: string, options: CallOptions = {}): Promise<FileState> {
    return await this.#ask({ path, stat: '' }, options)
  }

  /** Paths whose names match a glob. */
  async find(pattern: string, options: SearchOptions = {}): Promise<Shown<typeof FoundPaths>> {
    const { path, limit, signal } = options
    return await this.#ask({ path, limit, find: pattern }, { signal })
  }

  /** Lines that hold a text, or match a regular expression. */
  async grep(
    pattern: string,
    options: SearchOptions & { readonly regex?: boolean } = {},
  ): Promise<Shown<typeof FoundLines>> {
    const { path, limit, regex, signal } = options
    return await this.#ask({ path, limit, regex, grep: pattern }, { signal })
  }

  async move(from: string, to: string, options: CallOptions = {}): Promise<FileState> {
    const body: Asked<typeof MoveFile> = { from, to }
    return await this.#api.json({ method: 'POST', path: pathOf(...this.#base, 'move'), body, ...options })
  }

  async makeDirectory(path: string, options: CallOptions & { readonly mode?: number } = {}) {
    const { mode, signal } = options
    const body: Asked<typeof MakeDirectory> = { path, mode }
    return await this.#api.json<FileState>({
      method: 'POST',
      path: pathOf(...this.#base, 'mkdir'),
      body,
      signal,
    })
  }

  async remove(path: string, options: CallOptions & { readonly recursive?: boolean } = {}): Promise<void> {
    const { recursive, signal } = options
    const query = { recursive }
    await this.#api.finish({ method: 'DELETE', path: this.#pathOf(path), query, signal })
  }

  /** Changes below a path, as they happen. What happened while a connection was lost is not told. */
  async *watch(path = '.', options: CallOptions = {}): AsyncGenerator<FileEvent, void> {
    const events = followEvents(
      this.#api,
      { path: pathOf(...this.#base, 'watch'), query: { path }, ...options },
      () => false,
    )
    for await (const { name, document } of events) if (name === 'file') yield document as FileEvent
  }

  /** A directory as a tar. */
  async downloadArchive(path = '.', options: CallOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return await this.#stream({
      method: 'POST',
      path: pathOf(...this.#base, 'archive'),
      query: { path },
      ...options,
    })
  }

  /** Unpacks a tar below a directory, inside the sandbox. */
  async uploadArchive(
    path: string,
    tar: Uint8Array | ReadableStream<Uint8Array>,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#api.finish({
      method: 'POST',
      path: pathOf(...this.#base, 'archive'),
      query: { path },
      bytes: tar,
      contentType: 'application/x-tar',
      ...options,
    })
  }

  async #ask<Answer>(query: NonNullable<Call['query']>, options: CallOptions): Promise<Answer> {
    return await this.#api.json<Answer>({ method: 'GET', path: pathOf(...this.#base), query, ...options })
  }

  async #stream(call: Call): Promise<ReadableStream<Uint8Array>> {
    const { body } = await this.#api.open(call)
    return body ?? ReadableStream.from([])
  }

  #pathOf(path: string): string {
    const parts = path.replace(/^\/workspace(?=\/|$)/, '').split('/')
    // An URL would lose them, and with them what lies behind a link.
    if (parts.includes('..'))
      throw new HoldfastError({
        code: 'invalid-argument',
        message: `a path without ".." is needed, not ${path}`,
      })
    return pathOf(...this.#base, ...parts.filter((part) => part !== '' && part !== '.'))
  }
}
