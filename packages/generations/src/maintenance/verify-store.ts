import { hash } from 'node:crypto'
import { isFailure } from '@holdfast/base/failure'
import { packKey } from '../format/names.ts'
import { readIndexObject } from '../read/index-object.ts'
import { DamageMap } from './damage-map.ts'
import { findHurt } from './find-hurt.ts'
import type { StoreDeps } from './maintenance-deps.ts'
import { PlacedRows } from './placed-rows.ts'
import { unreferencedObjects } from './unreferenced-objects.ts'
import { verifyPack, wordsOf } from './verify-pack.ts'

/** Packs read at once: bounds memory at some tens of MiB each. */
const PARALLEL_READS = 4

export interface VerifyRequest {
  readonly org: string
  /** Only what this workspace reads; absent: the whole org. */
  readonly workspace?: string
  /** The `part`-th of `parts` of the packs, from 1: all of them within `parts` runs. */
  readonly subset?: { readonly part: number; readonly parts: number }
  /** Told how much there is to read, before it is read. */
  readonly onPlanned?: (plan: { readonly packs: number; readonly bytes: number }) => void
}

/** A damaged object, and what it takes with it. */
export interface DamagedObject {
  /** Its key in the store. */
  readonly object: string
  readonly problem: string
  /** Generations, newest first by workspace, that can no longer be restored whole. */
  readonly generations: readonly string[]
  /** Some of the paths that are lost in the newest of them. */
  readonly paths: readonly string[]
}

export interface VerifyReport {
  readonly packs: number
  readonly indexObjects: number
  readonly chunks: number
  readonly bytes: number
  readonly damaged: readonly DamagedObject[]
  /** Objects that nothing names: leftovers of commits that never came about, which GC removes. */
  readonly unreferenced: readonly string[]
}

/**
 * Reads every object of an org or a workspace from the store, whole, and checks every byte of it. Damage is collected,
 * not thrown: `hold dir drill` proves what is left, and `hold dir restore` brings back the newest generation that
 * is not in the report. Rejects with `wrong-key`, and with `store-unavailable` and the like, which say nothing about the
 * bytes.
 */
export async function verifyStore(deps: StoreDeps, request: VerifyRequest): Promise<VerifyReport> {
  const workspaces = await workspacesOf(deps, request)
  const damage = new DamageMap()
  const tables = await verifyIndexObjects(deps, workspaces, damage)
  const rows = subsetOf(await packsOf(deps, { request, workspaces, tables }), request.subset)
  const halfDeleted = new Set<string>()
  request.onPlanned?.({ packs: rows.length, bytes: rows.reduce((sum, row) => sum + row.bytes, 0) })
  let chunks = 0
  let bytes = 0
  for (let start = 0; start < rows.length; start += PARALLEL_READS) {
    const group = rows.slice(start, start + PARALLEL_READS)
    const verdicts = await Promise.all(
      group.map((row) => verifyOne(deps, { row, tables, damage, halfDeleted })),
    )
    for (const verdict of verdicts) chunks += verdict
    bytes += group.reduce((sum, row) => sum + row.bytes, 0)
  }
  const hurt = await findHurt(deps, { org: request.org, workspaces, damage })
  const damaged = damage.objects().map((object) => ({ ...object, ...hurt(object.object) }))
  // What GC was about to forget hurts nobody; once somebody is hurt, whatever is gone may be why.
  const isHurt = damaged.some(({ generations }) => generations.length > 0)
  return {
    packs: rows.length,
    indexObjects: tables.size,
    chunks,
    bytes,
    damaged: damaged.filter(({ object }) => isHurt || !halfDeleted.has(object)),
    unreferenced: await unreferencedObjects(deps, request.org),
  }
}

async function workspacesOf(deps: StoreDeps, { org, workspace }: VerifyRequest): Promise<string[]> {
  if (workspace !== undefined) return [workspace]
  return (await deps.index.workspaces(org)).map((row) => row.id)
}

/** What every index object that can be read says of packs, by key. */
async function verifyIndexObjects(
  deps: StoreDeps,
  workspaces: readonly string[],
  damage: DamageMap,
): Promise<ReadonlyMap<string, PlacedRows>> {
  const tables = new Map<string, PlacedRows>()
  for (const id of workspaces) {
    for (const key of (await deps.index.chunkIndex(id)).baseObjects) {
      if (tables.has(key) || damage.has(key)) continue
      try {
        tables.set(key, new PlacedRows(await readIndexObject(deps, key)))
      } catch (error) {
        damage.addIndexObject(key, wordsOf(error))
      }
    }
  }
  return tables
}

type StatedPack = Awaited<ReturnType<StoreDeps['index']['packs']>>[number]

/** Packs of the org that are not deleted, or those of them that a workspace's tables name, by name. */
async function packsOf(
  deps: StoreDeps,
  scope: {
    readonly request: VerifyRequest
    readonly workspaces: readonly string[]
    readonly tables: ReadonlyMap<string, PlacedRows>
  },
): Promise<StatedPack[]> {
  const { org, workspace } = scope.request
  const rows = [...(await deps.index.packs(org, 'live')), ...(await deps.index.packs(org, 'condemned'))]
  if (workspace === undefined) return rows
  const { deltaPacks } = await deps.index.chunkIndex(workspace)
  const named = new Set(
    [...scope.tables.values()].flatMap(({ table }) => table.packs.map(({ name }) => name)),
  )
  for (const { name } of deltaPacks) named.add(name)
  return rows.filter((row) => named.has(row.name))
}

function subsetOf(rows: readonly StatedPack[], subset: VerifyRequest['subset']): readonly StatedPack[] {
  if (subset === undefined) return rows
  const { part, parts } = subset
  return rows.filter(({ name }) => hash('sha256', name, 'buffer').readUInt32BE(0) % parts === part - 1)
}

async function verifyOne(
  deps: StoreDeps,
  parts: {
    readonly row: StatedPack
    readonly tables: ReadonlyMap<string, PlacedRows>
    readonly damage: DamageMap
    /** Condemned packs that are gone: GC is between an object and its row, or was killed there. */
    readonly halfDeleted: Set<string>
  },
): Promise<number> {
  const { row, damage } = parts
  const key = packKey(row.name)
  let bytes: Uint8Array
  try {
    bytes = await deps.store.get(key)
  } catch (error) {
    if (!isFailure(error, 'object-missing', 'object-corrupt')) throw error
    if (isFailure(error, 'object-missing') && row.condemnedAt !== null) parts.halfDeleted.add(key)
    damage.addPack(row.name, wordsOf(error), undefined)
    return 0
  }
  const verdict = verifyPack(deps.coding, row, bytes)
  if (verdict.problem !== undefined) damage.addPack(row.name, verdict.problem, verdict.damaged)
  if (verdict.table) {
    for (const [object, placed] of parts.tables) {
      if (!placed.agreesWith(verdict.table, row.name))
        damage.addIndexObject(object, `object-corrupt: it places chunks of ${row.name} where they are not`)
    }
  }
  return verdict.chunks
}
