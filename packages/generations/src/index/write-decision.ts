import { Failure } from '@holdfast/base/failure'
import type { HeldLease, PackRow, PackState, WorkspaceRow } from './generation-index.ts'

/** A pack as it is stored, whatever its state. */
export interface StoredPack extends PackRow {
  readonly org: string
  readonly state: PackState
  /** Milliseconds since 1970; null for a pack that is live. */
  readonly condemnedAt: number | null
}

/** What every write under a lease is decided on, read in the transaction that applies it. */
export interface WriteState {
  readonly workspace: WorkspaceRow
  /** Writers that read a smaller GC clock must begin again. */
  readonly boundary: number
  /** The rows of the packs that the write names, as far as they exist. */
  readonly packs: ReadonlyMap<string, StoredPack>
}

/** What a decision about a write says: the caller applies it, has nothing to do, or throws the failure. */
export type WriteDecision =
  | { readonly step: 'apply'; readonly addPacks: readonly PackRow[] }
  | { readonly step: 'already-applied' }
  | { readonly step: 'refuse'; readonly failure: Failure }

/** `lease-lost` unless the lease is the newest one of this workspace. */
export function refuseLease(lease: HeldLease, workspace: WorkspaceRow): Failure | undefined {
  if (lease.org !== workspace.org)
    return new Failure('invalid-argument', `${workspace.id} does not belong to ${lease.org}`, {
      workspace: workspace.id,
    })
  if (lease.epoch === workspace.epoch) return undefined
  return new Failure('lease-lost', `epoch ${lease.epoch} of ${workspace.id} has ended`, {
    workspace: workspace.id,
    epoch: lease.epoch,
    currentEpoch: workspace.epoch,
  })
}

/** `gc-expired` for a writer that decided what to upload before the boundary was where it is. */
export function refuseGcSeen(gcSeen: number, boundary: number): Failure | undefined {
  if (gcSeen >= boundary) return undefined
  return new Failure('gc-expired', `GC has moved on: seen ${gcSeen}, boundary ${boundary}`, {
    gcSeen,
    boundary,
  })
}

/** `gc-expired` for the first name that is no live pack of the org. */
export function refuseUsedPacks(
  org: string,
  names: readonly string[],
  packs: ReadonlyMap<string, StoredPack>,
): Failure | undefined {
  const gone = names.find((name) => {
    const pack = packs.get(name)
    return pack?.org !== org || pack.state !== 'live'
  })
  if (gone === undefined) return undefined
  return new Failure('gc-expired', `a used pack is not live: ${gone}`, { pack: gone })
}

/**
 * Refuses new packs whose names are taken: names never come back. A live row with the same bytes is an identical
 * earlier attempt; with other bytes it is `already-exists`; one that GC has condemned is `gc-expired`.
 */
export function refuseNewPacks(
  lease: HeldLease,
  newPacks: readonly PackRow[],
  packs: ReadonlyMap<string, StoredPack>,
): Failure | undefined {
  for (const pack of newPacks) {
    if (!pack.name.startsWith(`${lease.org}/${lease.workspace}/`))
      return new Failure('invalid-argument', `a pack of another workspace is not new: ${pack.name}`, {
        pack: pack.name,
      })
    const stored = packs.get(pack.name)
    if (stored === undefined) continue
    if (stored.state !== 'live')
      return new Failure('gc-expired', `a new pack is ${stored.state}: ${pack.name}`, { pack: pack.name })
    if (stored.bytes !== pack.bytes || stored.sha256 !== pack.sha256)
      return new Failure('already-exists', `a pack of this name has other bytes: ${pack.name}`, {
        pack: pack.name,
      })
  }
  return undefined
}
