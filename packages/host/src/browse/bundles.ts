import { createReadStream, createWriteStream, mkdirSync, rmSync, statSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Failure, isFailure } from '@holdfast/base/failure'
import { fromText } from '@holdfast/generations/format/byte-string'
import type { FrameCoding } from '@holdfast/generations/format/frame'
import { randomName } from '@holdfast/generations/format/names'
import type { GenerationRow } from '@holdfast/generations/index/generation-index'
import { exportBundle } from '@holdfast/generations/maintenance/export-bundle'
import {
  type ImportedBundle,
  type ImportRequest,
  importBundle,
} from '@holdfast/generations/maintenance/import-bundle'
import { retainedGenerations } from '@holdfast/generations/maintenance/mark-workspace'
import { targetFailure } from '@holdfast/generations/restore/piece-writer'
import { GenerationSummary } from '@holdfast/protocol/host-calls'
import { BundleExportQuery, type BundleImported, BundleImportQuery } from '@holdfast/protocol/host-streams'
import type { BrowseDeps } from './browse-deps.ts'
import type { GenerationShelf, WorkspaceRef } from './open-generation.ts'
import { parseQuery } from './parse-query.ts'

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
}

/** Histories as portable files, out of a workspace and into an empty one. */
export class Bundles {
  readonly #deps: BrowseDeps
  readonly #shelf: GenerationShelf
  readonly #folder: string
  readonly #bytesMax: number

  /** What a process before left of its files is removed. */
  constructor(deps: BrowseDeps, shelf: GenerationShelf, bytesMax: number) {
    this.#deps = deps
    this.#shelf = shelf
    this.#folder = join(deps.scratch, 'bundles')
    this.#bytesMax = bytesMax
    rmSync(this.#folder, { recursive: true, force: true })
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
  }

  /** `GET /streams/bundle`, `PUT /streams/bundle`. */
  async answer(exchange: Exchange): Promise<void> {
    switch (exchange.request.method) {
      case 'GET':
        return await this.#send(exchange)
      case 'PUT':
        return await this.#take(exchange)
      default:
        throw new Failure('invalid-argument', 'a bundle is got or put')
    }
  }

  /** Complete before its first byte is sent, so that a bundle is never half of one without an error. */
  async #send({ response, url }: Exchange): Promise<void> {
    const query = parseQuery(BundleExportQuery, url)
    const generations = await this.#generations(query, query.generation)
    using file = this.#newFile()
    await exportBundle(this.#deps, { org: query.org, generations, path: file.path })
    response.writeHead(200, {
      'content-type': 'application/x-tar',
      'content-length': statSync(file.path).size,
    })
    await pipeline(createReadStream(file.path), response)
  }

  /** Oldest first, all of one workspace. */
  async #generations(of: WorkspaceRef, id: string | undefined): Promise<readonly GenerationRow[]> {
    if (id !== undefined) return [await this.#shelf.find(of, id)]
    const workspace = await this.#deps.index.workspace(of.workspace)
    const retained = workspace.org === of.org ? await retainedGenerations(this.#deps.index, of.workspace) : []
    if (retained.length > 0) return retained.toReversed()
    throw new Failure('not-found', 'the workspace has no generation to export', { workspace: of.workspace })
  }

  async #take({ request, response, url }: Exchange): Promise<void> {
    const query = parseQuery(BundleImportQuery, url)
    const workspace = await this.#deps.index.workspace(query.workspace)
    if (workspace.org !== query.org)
      throw new Failure('not-found', `no workspace ${query.workspace}`, { workspace: query.workspace })
    if (workspace.head !== null || workspace.forkedFrom !== null)
      throw new Failure('invalid-state', 'the workspace has a history already: import into a new one')
    using file = this.#newFile()
    await this.#receive(request, file.path)
    await using held = await this.#deps.acquire(query)
    const parts = { ...query, held: held.lease, path: file.path }
    const imported = await this.#importSealed(parts)
    const head = imported.generations.at(-1) ?? ''
    const answer = {
      head: summaryOf(await this.#deps.index.generation(head)),
      generations: imported.generations.length,
    } satisfies BundleImported
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(answer))
  }

  async #receive(request: IncomingMessage, path: string): Promise<void> {
    let bytes = 0
    const bytesMax = this.#bytesMax
    const bounded = new Transform({
      transform(part: Buffer, _encoding, done) {
        bytes += part.length
        if (bytes <= bytesMax) done(null, part)
        else done(new Failure('too-large', `a bundle has at most ${bytesMax} bytes`, { bytesMax }))
      },
    })
    try {
      await pipeline(request, bounded, createWriteStream(path, { flags: 'wx', mode: 0o600 }))
    } catch (error) {
      throw targetFailure(error, fromText(path), 'write')
    }
  }

  /** A bundle is sealed as the store that it came from: with this store's key, or not at all. */
  async #importSealed(request: Omit<ImportRequest, 'bundleCoding'>): Promise<ImportedBundle> {
    const codings: readonly FrameCoding[] = [this.#deps.coding, { seal: null }]
    for (const bundleCoding of codings) {
      try {
        return await importBundle(this.#deps, { ...request, bundleCoding })
      } catch (error) {
        if (!isFailure(error, 'wrong-key')) throw error
      }
    }
    throw new Failure('wrong-key', 'the bundle is sealed with another key than this store')
  }

  #newFile(): Disposable & { readonly path: string } {
    const path = join(this.#folder, randomName(this.#deps.randomness))
    return { path, [Symbol.dispose]: () => rmSync(path, { force: true }) }
  }
}

function summaryOf(row: GenerationRow): GenerationSummary {
  const { id, parent, sequence, epoch, cause, message, createdAt, files, bytes, consistency } = row
  const { verifiedAt, retained } = row
  return GenerationSummary.parse({
    ...{ id, parent, sequence, epoch, cause, message, createdAt, files, bytes, consistency },
    ...{ verifiedAt, retained },
  })
}
