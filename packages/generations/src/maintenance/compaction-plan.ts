/** A pack that a workspace's index names, as compaction looks at it. */
export interface PackUse {
  readonly name: string
  /** As stored. */
  readonly bytes: number
  /** Plain bytes of its chunks, and of those that a retained generation is read from. */
  readonly chunkBytes: number
  readonly liveBytes: number
  /** A retained generation needs a chunk of it, or its own record there. */
  readonly isNeeded: boolean
  /** Written by this workspace, not inherited from the one it was forked from. */
  readonly isOwn: boolean
}

/** Packs of commits that no merged table covers yet. */
export interface WaitingPacks {
  readonly count: number
  /** How long ago the oldest of them was committed, in milliseconds. */
  readonly oldestAgeMs: number
}

export interface CompactionPolicy {
  /** So many packs of commits are merged at once. */
  readonly waitingPacksMax: number
  /** Fewer are left to wait for more, however old they are. */
  readonly waitingPacksMin: number
  /** They are merged after this time even if there are few. */
  readonly waitingMsMax: number
  /** Packs stored in fewer bytes are merged once there are `smallPacksMin` of them. */
  readonly smallPackBytes: number
  readonly smallPacksMin: number
  /** A pack with a smaller share of live bytes is written anew. */
  readonly liveShareMin: number
  /** The share of dead bytes over all packs that is put up with. */
  readonly deadShareMax: number
  /** Plain live bytes that one step copies; a single larger pack is a step of its own. */
  readonly stepBytesMax: number
}

export const COMPACTION_POLICY: CompactionPolicy = {
  waitingPacksMax: 64,
  waitingPacksMin: 2,
  waitingMsMax: 5 * 60_000,
  smallPackBytes: 4 << 20,
  smallPacksMin: 16,
  liveShareMin: 0.5,
  deadShareMax: 0.2,
  stepBytesMax: 64 << 20,
}

/** In how many milliseconds the packs of commits are to be merged: 0 for now, Infinity while there are too few. */
export function compactionDueInMs(waiting: WaitingPacks, policy: CompactionPolicy): number {
  if (waiting.count >= policy.waitingPacksMax) return 0
  if (waiting.count < policy.waitingPacksMin) return Number.POSITIVE_INFINITY
  return Math.max(0, policy.waitingMsMax - waiting.oldestAgeMs)
}

export interface CompactionPlan {
  /** Packs whose live chunks are copied into new packs. */
  readonly sources: readonly PackUse[]
  /** True when the step's bound left packs for another step. */
  readonly more: boolean
}

/**
 * Chooses the packs to write anew: small ones together, then those with the smallest share of live bytes. What nobody
 * needs is left to GC, and what is inherited to the workspace that wrote it.
 */
export function planCompaction(packs: readonly PackUse[], policy: CompactionPolicy): CompactionPlan {
  const own = packs.filter((pack) => pack.isOwn && pack.isNeeded)
  const small = own.filter((pack) => pack.bytes < policy.smallPackBytes)
  const chosen = new Set(small.length >= policy.smallPacksMin ? small : [])
  for (const pack of tooDead(own, chosen, policy)) chosen.add(pack)
  const sources: PackUse[] = []
  let bytes = 0
  for (const pack of chosen) {
    if (sources.length > 0 && bytes + pack.liveBytes > policy.stepBytesMax) continue
    sources.push(pack)
    bytes += pack.liveBytes
  }
  return { sources, more: sources.length < chosen.size }
}

function* tooDead(
  own: readonly PackUse[],
  chosen: ReadonlySet<PackUse>,
  policy: CompactionPolicy,
): Iterable<PackUse> {
  const others = own.filter((pack) => !chosen.has(pack))
  let total = others.reduce((sum, pack) => sum + pack.bytes, 0)
  let dead = others.reduce((sum, pack) => sum + pack.bytes * (1 - liveShare(pack)), 0)
  for (const pack of others.sort((a, b) => liveShare(a) - liveShare(b))) {
    const share = liveShare(pack)
    if (share >= policy.liveShareMin && dead <= policy.deadShareMax * total) return
    yield pack
    dead -= pack.bytes * (1 - share)
    total -= pack.bytes * (1 - share)
  }
}

function liveShare({ liveBytes, chunkBytes }: PackUse): number {
  return chunkBytes === 0 ? 1 : liveBytes / chunkBytes
}
