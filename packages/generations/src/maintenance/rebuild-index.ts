import { hash } from 'node:crypto'
import { Failure } from '@holdfast/base/failure'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import { newIndexKey } from '../format/names.ts'
import type { GenerationCommit, HeldLease } from '../index/generation-index.ts'
import { encodeIndexObject } from '../read/index-object.ts'
import { CompleteTrees } from './complete-trees.ts'
import type { MaintenanceDeps } from './maintenance-deps.ts'
import { mergeTables } from './merge-tables.ts'
import { type Lineage, type LineagePlace, orderRecords } from './rebuild-lineage.ts'
import { type StoredWorkspace, type SurveyedOrg, surveyOrg } from './survey-store.ts'

/** Epochs are counted up one by one. */
const EPOCH_MAX = 10_000_000
const DROPPED_AT_ONCE = 500
const NO_ROOT = '0'.repeat(64)

export interface RebuiltWorkspace {
  readonly id: string
  /** Null: no generation of it could be recovered. */
  readonly head: string | null
  /** Generations that can be restored. */
  readonly restorable: number
  /** Places in the history whose record is gone, or whose chunks are. */
  readonly lost: number
  /** Records that are not in the head's line. */
  readonly besides: readonly string[]
}

export interface RebuiltIndex {
  readonly org: string
  readonly workspaces: readonly RebuiltWorkspace[]
  readonly damaged: readonly { readonly object: string; readonly problem: string }[]
}

/**
 * Recovers the history of an org from the store alone into `deps.index`, which knows nothing of the org yet: every pack
 * that can be read, every generation in the line of the newest one whose chunks are all there, forks where they were
 * made. A generation that GC had begun to take away, or whose pack is damaged, keeps its place and is marked as not
 * restorable. Each workspace ends at a new epoch. What no pack tells is lost: proofs by drills, forks without a commit,
 * and that a whole generation had been dropped.
 *
 * Rejects with `not-found` when the store holds nothing of the org, with `wrong-key`, and with `already-exists` when
 * the index knows it.
 */
export async function rebuildIndex(deps: MaintenanceDeps, org: string): Promise<RebuiltIndex> {
  const surveyed = await surveyOrg(deps, org)
  if (surveyed.workspaces.length === 0)
    throw new Failure('not-found', `the store holds no readable pack of ${org}`, { org })
  return new Rebuilding(deps, surveyed).run()
}

class Rebuilding {
  readonly #deps: MaintenanceDeps
  readonly #surveyed: SurveyedOrg
  readonly #trees: CompleteTrees
  readonly #complete = new Map<string, boolean>()
  #indexKey: string | undefined

  constructor(deps: MaintenanceDeps, surveyed: SurveyedOrg) {
    this.#deps = deps
    this.#surveyed = surveyed
    this.#trees = new CompleteTrees(surveyed)
  }

  async run(): Promise<RebuiltIndex> {
    const { org, records, damaged } = this.#surveyed
    for (const { id, root } of records) this.#complete.set(id, await this.#trees.has(chunkIdFromHex(root)))
    const written: (readonly [string, Lineage | undefined])[] = []
    for (const [stored, lineage] of this.#sourcesFirst()) {
      await this.#writeWorkspace(stored, lineage)
      written.push([stored.id, lineage])
    }
    const rebuilt: RebuiltWorkspace[] = []
    for (const [id, lineage] of written) rebuilt.push(await this.#dropLost(id, lineage))
    return { org, workspaces: rebuilt, damaged }
  }

  /** Workspaces with their histories, each after the one that it was forked from. */
  *#sourcesFirst(): Iterable<readonly [StoredWorkspace, Lineage | undefined]> {
    let waiting = this.#surveyed.workspaces.map((each) => [each, this.#lineageOf(each.id)] as const)
    const there = new Set<string>()
    for (;;) {
      const ready = waiting.filter(([, lineage]) => !lineage?.forkedFrom || there.has(lineage.forkedFrom))
      if (ready.length === 0) break
      yield* ready
      for (const [, lineage] of ready) for (const place of lineage?.places ?? []) there.add(idOf(place))
      waiting = waiting.filter((each) => !ready.includes(each))
    }
    // A fork of what is in no head's line begins where its own records do.
    for (const [workspace, lineage] of waiting) yield [workspace, lineage && withoutFork(lineage)]
  }

  #lineageOf(workspace: string): Lineage | undefined {
    const { records } = this.#surveyed
    const others = new Set(records.filter((each) => each.workspace !== workspace).map(({ id }) => id))
    return orderRecords(
      workspace,
      records.filter((each) => each.workspace === workspace),
      {
        isIntact: (record) => this.#complete.get(record.id) ?? false,
        isElsewhere: (id) => others.has(id),
        lostId: (sequence) => lostId(workspace, sequence),
      },
    )
  }

  async #writeWorkspace(stored: StoredWorkspace, lineage: Lineage | undefined): Promise<void> {
    const { index } = this.#deps
    const { org } = this.#surveyed
    const forkedFrom = lineage?.forkedFrom ?? null
    await index.createWorkspace({ id: stored.id, org, ...(forkedFrom === null ? {} : { forkedFrom }) })
    let lease = await index.acquire(stored.id)
    await this.#placeChunks(lease, stored)
    let parent = forkedFrom
    for (const place of lineage?.places ?? []) {
      lease = await this.#advance(lease, place.kind === 'found' ? place.record.epoch : lease.epoch)
      await index.append(lease, commitOf(place, { parent, anyPack: stored.packs[0]?.name ?? '' }))
      parent = idOf(place)
    }
    await this.#advance(lease, stored.epoch + 1)
  }

  /** Makes the workspace's packs live, and every chunk of the org found by one merged index. */
  async #placeChunks(lease: HeldLease, { packs }: StoredWorkspace): Promise<void> {
    const { baseObjects, deltaPacks } = await this.#deps.index.chunkIndex(lease.workspace)
    this.#indexKey ??= await this.#storeIndex(lease)
    await this.#deps.index.replaceIndex(lease, {
      replaces: baseObjects,
      baseObjects: [this.#indexKey],
      newPacks: packs,
      covered: deltaPacks.map((pack) => pack.name),
      gcSeen: await this.#deps.index.gcClock(lease.org),
    })
  }

  async #storeIndex(lease: HeldLease): Promise<string> {
    const key = newIndexKey(lease, this.#deps.randomness)
    const table = mergeTables(this.#surveyed.tables, { gone: new Set(), doomed: new Set() })
    await this.#deps.store.put(key, [encodeIndexObject(this.#deps.coding, key, table)])
    return key
  }

  async #advance(lease: HeldLease, epoch: number): Promise<HeldLease> {
    if (epoch > EPOCH_MAX) throw new Failure('history-corrupt', `an impossible epoch: ${epoch}`, { epoch })
    let held = lease
    while (held.epoch < epoch) held = await this.#deps.index.acquire(lease.workspace)
    return held
  }

  async #dropLost(id: string, lineage: Lineage | undefined): Promise<RebuiltWorkspace> {
    const places = lineage?.places ?? []
    const lost = places.filter((place) => place.kind === 'lost' || !this.#complete.get(place.record.id))
    for (let start = 0; start < lost.length; start += DROPPED_AT_ONCE)
      await this.#deps.index.dropGenerations(lost.slice(start, start + DROPPED_AT_ONCE).map(idOf))
    const head = places.at(-1)
    return {
      id,
      head: head ? idOf(head) : null,
      restorable: places.length - lost.length,
      lost: lost.length,
      besides: lineage?.besides ?? [],
    }
  }
}

function commitOf(
  place: LineagePlace,
  { parent, anyPack }: { readonly parent: string | null; readonly anyPack: string },
): GenerationCommit {
  const written = { parent, newPacks: [], usedPacks: [], gcSeen: Number.MAX_SAFE_INTEGER }
  if (place.kind === 'lost') {
    const { id, sequence } = place
    const nothing = { message: 'lost', createdAt: 0, files: 0, bytes: 0 }
    const at = { id, sequence, recordPack: anyPack, root: NO_ROOT }
    return { ...written, ...at, ...nothing, cause: 'periodic', consistency: 'per-database' }
  }
  const { id, sequence, recordPack, root, cause, message, createdAt, files, bytes, consistency } =
    place.record
  return { ...written, id, sequence, recordPack, root, cause, message, createdAt, files, bytes, consistency }
}

function idOf(place: LineagePlace): string {
  return place.kind === 'found' ? place.record.id : place.id
}

function lostId(workspace: string, sequence: number): string {
  return hash('sha256', `lost generation ${sequence} of ${workspace}`)
}

/** The same history from sequence 1 on, its beginning lost. */
function withoutFork(lineage: Lineage): Lineage {
  const [first] = lineage.places
  const from = first === undefined ? 1 : first.kind === 'found' ? first.record.sequence : first.sequence
  const lost = Array.from({ length: from - 1 }, (_, index): LineagePlace => {
    const sequence = index + 1
    const id = sequence === from - 1 ? (lineage.forkedFrom ?? '') : lostId(lineage.workspace, sequence)
    return { kind: 'lost', id, sequence }
  })
  return { ...lineage, forkedFrom: null, places: [...lost, ...lineage.places] }
}
