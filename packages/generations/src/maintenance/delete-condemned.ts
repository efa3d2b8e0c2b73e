import { isFailure } from '@holdfast/base/failure'
import { type ChunkId, chunkIdOf, chunkIdToHex } from '../format/chunk-id.ts'
import { packKey } from '../format/names.ts'
import type { PackRow } from '../index/generation-index.ts'
import { readPackEnd } from '../read/pack-reader.ts'
import type { MaintenanceDeps } from './maintenance-deps.ts'
import type { OrgMark } from './mark-org.ts'
import { isOfWholeStore } from './store-refusal.ts'

/** Packs whose footers are checked, and objects that are deleted, at once. */
const PARALLEL_PACKS = 16

export interface DeletedPacks {
  readonly deletedPacks: number
  readonly deletedBytes: number
  /** Condemned packs that were needed after all. */
  readonly reprieved: readonly string[]
  /** Condemned packs that stay, since their own footer does not bear the mark out. */
  readonly doubtful: readonly string[]
}

type Verdict = 'delete' | 'doubtful'

/** Deletes the condemned packs that `marked`, a mark made after the boundary, does not need. */
export async function deleteCondemned(
  deps: MaintenanceDeps,
  org: string,
  { due, marked }: { readonly due: readonly PackRow[]; readonly marked: OrgMark },
): Promise<DeletedPacks> {
  const reprieved = due.map((pack) => pack.name).filter((name) => marked.needed.has(name))
  if (reprieved.length > 0) await deps.index.reprievePacks(org, reprieved)
  const unneeded = due.filter((pack) => !marked.needed.has(pack.name))
  const check = new FooterCheck(deps, marked, new Set(unneeded.map((pack) => pack.name)))
  const doubtful: string[] = []
  const deleted: PackRow[] = []
  for (let start = 0; start < unneeded.length; start += PARALLEL_PACKS) {
    const group = unneeded.slice(start, start + PARALLEL_PACKS)
    const verdicts = await Promise.all(group.map((pack) => check.verdict(pack)))
    doubtful.push(...group.filter((_, index) => verdicts[index] === 'doubtful').map((pack) => pack.name))
    const going = group.filter((_, index) => verdicts[index] === 'delete')
    await Promise.all(going.map((pack) => deps.store.delete(packKey(pack.name))))
    await forget(deps, org, going)
    deleted.push(...going)
  }
  const deletedBytes = deleted.reduce((sum, pack) => sum + pack.bytes, 0)
  return { deletedPacks: deleted.length, deletedBytes, reprieved, doubtful }
}

/** Another run may have forgotten some of them: only what is condemned still is forgotten. */
async function forget(deps: MaintenanceDeps, org: string, packs: readonly PackRow[]): Promise<void> {
  const names = packs.map((pack) => pack.name)
  try {
    await deps.index.forgetPacks(org, names)
  } catch (error) {
    if (!isFailure(error, 'invalid-argument')) throw error
    const condemned = new Set((await deps.index.packs(org, 'condemned')).map((pack) => pack.name))
    const still = names.filter((name) => condemned.has(name))
    await deps.index.forgetPacks(org, still)
  }
}

/**
 * Holds what a pack says of itself against the mark: each needed chunk in it must be found in a pack that stays and is
 * there, and its record must be of a generation that is gone or stand elsewhere too.
 */
class FooterCheck {
  readonly #deps: MaintenanceDeps
  readonly #marked: OrgMark
  readonly #going: ReadonlySet<string>
  readonly #present = new Map<string, boolean>()

  constructor(deps: MaintenanceDeps, marked: OrgMark, going: ReadonlySet<string>) {
    this.#deps = deps
    this.#marked = marked
    this.#going = going
  }

  async verdict(pack: PackRow): Promise<Verdict> {
    try {
      const { table, record } = await readPackEnd(this.#deps, pack)
      const ids = Array.from({ length: table.chunkCount }, (_, index) => table.id(index))
      if (record) ids.push(chunkIdOf(record))
      return (await this.#areSpare(ids)) ? 'delete' : 'doubtful'
    } catch (error) {
      if (isFailure(error, 'object-missing')) return 'delete' // an earlier run deleted it
      if (isFailure(error) && !isOfWholeStore(error)) return 'doubtful'
      throw error
    }
  }

  /** True unless the deletion would take the last copy of something needed. */
  async #areSpare(ids: readonly ChunkId[]): Promise<boolean> {
    const others = new Set<string>()
    for (const id of ids) {
      const place = this.#marked.places.get(id)
      if (place !== undefined) others.add(place)
      else if (this.#marked.retained.has(chunkIdToHex(id))) return false
    }
    for (const pack of others) if (this.#going.has(pack) || !(await this.#isPresent(pack))) return false
    return true
  }

  async #isPresent(pack: string): Promise<boolean> {
    const known = this.#present.get(pack)
    if (known !== undefined) return known
    const found = (await this.#deps.store.head(packKey(pack))) !== undefined
    this.#present.set(pack, found)
    return found
  }
}
