import type { ChunkId } from '../format/chunk-id.ts'
import { packKey } from '../format/names.ts'

interface Damage {
  readonly problem: string
  /** Undefined: all of it. */
  readonly chunks: ReadonlySet<ChunkId> | undefined
}

/** Objects found damaged, by their keys. */
export class DamageMap {
  readonly #objects = new Map<string, Damage>()

  /** `chunks`: those that cannot be read; undefined: none of the pack's can. */
  addPack(pack: string, problem: string, chunks: ReadonlySet<ChunkId> | undefined): void {
    this.#add(packKey(pack), { problem, chunks })
  }

  addIndexObject(key: string, problem: string): void {
    this.#add(key, { problem, chunks: new Set() })
  }

  has(object: string): boolean {
    return this.#objects.has(object)
  }

  /** True if a chunk that lies in `pack` cannot be read. */
  holds(pack: string, id: ChunkId): boolean {
    const damage = this.#objects.get(packKey(pack))
    return damage !== undefined && (damage.chunks === undefined || damage.chunks.has(id))
  }

  objects(): { readonly object: string; readonly problem: string }[] {
    return [...this.#objects].map(([object, { problem }]) => ({ object, problem }))
  }

  /** The first problem of an object is the one that is told. */
  #add(object: string, damage: Damage): void {
    if (!this.#objects.has(object)) this.#objects.set(object, damage)
  }
}
