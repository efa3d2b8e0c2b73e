import { Failure, isFailure } from '@holdfast/base/failure'
import { type ChunkId, chunkIdFromHex, chunkIdOf } from '../format/chunk-id.ts'
import { ChunkIndex } from '../format/chunk-index.ts'
import { ChunkTable } from '../format/chunk-table.ts'
import type { FrameCoding } from '../format/frame.ts'
import { decodeGenerationRecord } from '../format/generation-record.ts'
import type { PackRow } from '../index/generation-index.ts'
import { ChunkReader } from '../read/chunk-reader.ts'
import { readPackEnd } from '../read/pack-reader.ts'
import type { ObjectStore } from '../store/object-store.ts'
import type { FoundRecord } from './rebuild-lineage.ts'
import { decodeRecordList } from './record-list.ts'
import { isOfWholeStore } from './store-refusal.ts'

const PARALLEL_READS = 16
const PACK_KEY = /^packs\/(([^/]+)\/([^/]+)\/(\d{1,9})\/[0-9a-f]{32})$/

interface Bare {
  readonly store: ObjectStore
  readonly coding: FrameCoding
}

/** A workspace as its packs' names tell of it. */
export interface StoredWorkspace {
  readonly id: string
  /** The highest epoch under which a pack was written. */
  readonly epoch: number
  readonly packs: readonly PackRow[]
}

/** Everything of one org that can be read from its packs alone. */
export interface SurveyedOrg {
  readonly org: string
  readonly workspaces: readonly StoredWorkspace[]
  readonly tables: readonly ChunkTable[]
  readonly index: ChunkIndex
  readonly reader: ChunkReader
  readonly records: readonly FoundRecord[]
  readonly damaged: readonly { readonly object: string; readonly problem: string }[]
}

/** The orgs of a store with the workspaces of each, by listing its packs. */
export async function listOrgs(store: ObjectStore): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const orgs = new Map<string, Set<string>>()
  for await (const { key } of store.list('packs/')) {
    const [, , org, workspace] = PACK_KEY.exec(key) ?? []
    if (org === undefined || workspace === undefined) continue
    const workspaces = orgs.get(org) ?? new Set()
    orgs.set(org, workspaces.add(workspace))
  }
  return orgs
}

/**
 * Reads the end of every pack of an org: tables, hashes, records. Packs that cannot be read are reported. Rejects with
 * `wrong-key`, and as the store does.
 */
export async function surveyOrg(deps: Bare, org: string): Promise<SurveyedOrg> {
  const found: Ends = { packs: new Map(), tables: [], records: [], lists: [], damaged: [] }
  const objects: { readonly name: string; readonly bytes: number }[] = []
  for await (const { key, bytes } of deps.store.list(`packs/${org}/`)) {
    const [, name] = PACK_KEY.exec(key) ?? []
    if (name !== undefined) objects.push({ name, bytes })
  }
  objects.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (let start = 0; start < objects.length; start += PARALLEL_READS)
    await Promise.all(objects.slice(start, start + PARALLEL_READS).map((pack) => readEnd(deps, pack, found)))
  const index = new ChunkIndex(found.tables)
  const reader = new ChunkReader({ ...deps, index })
  const records = [...found.records]
  for (const id of found.lists) {
    const record = await readMovedRecord({ index, reader }, id)
    if (record) records.push(record)
  }
  const unique = new Map(records.map((record) => [record.id, record]))
  return {
    org,
    workspaces: workspacesOf(found.packs),
    tables: found.tables,
    index,
    reader,
    records: [...unique.values()].filter((record) => record.org === org),
    damaged: found.damaged,
  }
}

interface Ends {
  readonly packs: Map<string, PackRow>
  readonly tables: ChunkTable[]
  readonly records: FoundRecord[]
  /** Ids of records that compaction moved. */
  readonly lists: ChunkId[]
  readonly damaged: { object: string; problem: string }[]
}

async function readEnd(
  deps: Bare,
  pack: { readonly name: string; readonly bytes: number },
  found: Ends,
): Promise<void> {
  try {
    const { sha256, table, record } = await readPackEnd(deps, pack)
    const row = { ...pack, sha256 }
    found.packs.set(pack.name, row)
    found.tables.push(new ChunkTable(table.bytes, row))
    if (record === null) return
    const list = decodeRecordList(record)
    if (list) found.lists.push(...list.ids.map(chunkIdFromHex))
    else found.records.push({ ...decodeGenerationRecord(record), recordPack: pack.name })
  } catch (error) {
    if (!isFailure(error) || isOfWholeStore(error) || error.code === 'wrong-key') throw error
    found.damaged.push({ object: `packs/${pack.name}`, problem: `${error.code}: ${error.message}` })
  }
}

/** A record that stands as a chunk; undefined where it is gone with its pack. */
async function readMovedRecord(
  chunks: { readonly index: ChunkIndex; readonly reader: ChunkReader },
  id: ChunkId,
): Promise<FoundRecord | undefined> {
  const found = chunks.index.find(id)
  if (found === undefined) return undefined
  try {
    const bytes = await chunks.reader.read(id)
    if (chunkIdOf(bytes) !== id) throw new Failure('chunk-corrupt', 'a record has other bytes than it had')
    return { ...decodeGenerationRecord(bytes), recordPack: ChunkIndex.packName(found) }
  } catch (error) {
    if (isFailure(error) && error.kind === 'broken') return undefined
    throw error
  }
}

function workspacesOf(packs: ReadonlyMap<string, PackRow>): StoredWorkspace[] {
  const workspaces = new Map<string, { id: string; epoch: number; packs: PackRow[] }>()
  for (const row of packs.values()) {
    const [, id = '', epoch = '0'] = row.name.split('/')
    const workspace = workspaces.get(id) ?? { id, epoch: 0, packs: [] }
    workspaces.set(id, workspace)
    workspace.epoch = Math.max(workspace.epoch, Number(epoch))
    workspace.packs.push(row)
  }
  return [...workspaces.values()]
}
