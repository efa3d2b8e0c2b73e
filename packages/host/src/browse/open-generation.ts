import { Failure } from '@holdfast/base/failure'
import { type ByteString, fromText, joinPath, toText } from '@holdfast/generations/format/byte-string'
import { type ChunkId, chunkIdFromHex } from '@holdfast/generations/format/chunk-id'
import { ChunkIndex } from '@holdfast/generations/format/chunk-index'
import type { Entry } from '@holdfast/generations/format/entry'
import type { GenerationRow } from '@holdfast/generations/index/generation-index'
import type { StoreDeps } from '@holdfast/generations/maintenance/maintenance-deps'
import { ChunkReader } from '@holdfast/generations/read/chunk-reader'
import {
  type CurrentChunks,
  loadCurrentChunks,
  type NamedTables,
} from '@holdfast/generations/read/load-chunk-index'
import { readDirectory, readRoot } from '@holdfast/generations/read/tree-reader'

/** Workspaces whose tables are not read again for the next call. */
const REMEMBERED_MAX = 8

export interface WorkspaceRef {
  readonly workspace: string
  readonly org: string
}

export interface OpenGeneration {
  readonly row: GenerationRow
  readonly root: ChunkId
  readonly chunks: ChunkReader
}

export interface PlacedEntry {
  readonly path: ByteString
  readonly entry: Entry
}

/** Opens generations by their ids for whoever may see their workspace. */
export class GenerationShelf {
  readonly #deps: StoreDeps
  /** Read last comes last. */
  readonly #tables = new Map<string, NamedTables>()

  constructor(deps: StoreDeps) {
    this.#deps = deps
  }

  /**
   * A generation that can be read: one of the workspace, or the one that it was forked from. Rejects with `not-found`,
   * for a foreign one as for none.
   */
  async find(of: WorkspaceRef, id: string): Promise<GenerationRow> {
    const workspace = await this.#deps.index.workspace(of.workspace)
    const row = await this.#deps.index.generation(id)
    const isIts = row.workspace === of.workspace || row.id === workspace.forkedFrom
    if (workspace.org !== of.org || !isIts)
      throw new Failure('not-found', `the workspace has no generation ${id}`, { generation: id })
    if (row.retained) return row
    throw new Failure(
      'not-found',
      `generation ${row.sequence} is in the history, but its bytes were dropped by retention`,
      { generation: id },
    )
  }

  async open(of: WorkspaceRef, id: string): Promise<OpenGeneration> {
    const row = await this.find(of, id)
    return { row, root: chunkIdFromHex(row.root), chunks: await this.chunks(of.org, [row.workspace]) }
  }

  /** Reads the chunks of several workspaces of an org. */
  async chunks(org: string, workspaces: readonly string[]): Promise<ChunkReader> {
    const read: CurrentChunks[] = []
    for (const workspace of workspaces) read.push(await this.#load(org, workspace))
    const index = new ChunkIndex(
      read.flatMap(({ tables }) => [...tables.values()]),
      {
        dead: new Set(read.flatMap(({ gone }) => [...gone])),
        doomed: new Set(read.flatMap(({ condemned }) => [...condemned])),
      },
    )
    return new ChunkReader({ ...this.#deps, index })
  }

  async #load(org: string, workspace: string): Promise<CurrentChunks> {
    const known = this.#tables.get(workspace)
    // What other packs hold can be read without a damaged one; a chunk that is gone is named by whoever asks for it.
    const options = { onUnreadable: () => {}, ...(known ? { known } : {}) }
    const current = await loadCurrentChunks(this.#deps, { org, workspace }, options)
    this.#tables.delete(workspace)
    this.#tables.set(workspace, current.tables)
    const [oldest] = this.#tables.keys()
    if (this.#tables.size > REMEMBERED_MAX && oldest !== undefined) this.#tables.delete(oldest)
    return current
  }
}

/**
 * The entry at a path as `toText` writes it; links are not followed. Rejects with `not-found`, and with
 * `invalid-argument` for a path that leads out of the workspace.
 */
export async function findByText({ chunks, root }: OpenGeneration, text: string): Promise<PlacedEntry> {
  let found: PlacedEntry = { path: '', entry: await readRoot(chunks, root) }
  for (const part of text.split('/').filter((name) => name !== '' && name !== '.')) {
    if (part === '..')
      throw new Failure('invalid-argument', `${text} leads out of the workspace`, { path: text })
    const { entry, path } = found
    const entries = entry.kind === 'directory' ? await readDirectory(chunks, entry.node) : []
    const child = entries.find(({ name }) => name === fromText(part)) ?? byWrittenName(entries, part)
    if (child === undefined) throw new Failure('not-found', `the generation has no ${text}`, { path: text })
    found = { path: joinPath(path, child.name), entry: child }
  }
  return found
}

/** A name that is not UTF-8 is known to people by its escapes only. */
function byWrittenName(entries: readonly Entry[], part: string): Entry | undefined {
  return part.includes('\\') ? entries.find(({ name }) => toText(name) === part) : undefined
}
