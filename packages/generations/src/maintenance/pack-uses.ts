import { ChunkIndex } from '../format/chunk-index.ts'
import type { PackUse } from './compaction-plan.ts'
import { packsOfRecords, visitNeeded, type WorkspaceMark } from './mark-workspace.ts'

interface Counted {
  readonly bytes: number
  chunkBytes: number
  liveBytes: number
}

/** The live packs that a workspace's tables name, and what its retained generations need of each. */
export async function packUses(
  mark: WorkspaceMark,
  lease: { readonly org: string; readonly workspace: string },
): Promise<readonly PackUse[]> {
  const { tables, condemned, gone } = mark.current
  const packs = new Map<string, Counted>()
  for (const table of tables.values()) {
    for (const { name, bytes } of table.packs) {
      const leaves = condemned.has(name) || gone.has(name)
      if (!leaves && !packs.has(name)) packs.set(name, { bytes, chunkBytes: 0, liveBytes: 0 })
    }
    for (let index = 0; index < table.chunkCount; index++) {
      const place = table.place(index)
      const pack = packs.get(table.packOf(table.frame(place.frame)).name)
      if (pack) pack.chunkBytes += place.bytes
    }
  }
  const needed = new Set(packsOfRecords(mark))
  await visitNeeded(mark, (found) => {
    const name = ChunkIndex.packName(found)
    needed.add(name)
    const pack = packs.get(name)
    if (pack) pack.liveBytes += found.place.bytes
  })
  const own = `${lease.org}/${lease.workspace}/`
  return [...packs].map(
    ([name, counted]): PackUse => ({
      name,
      ...counted,
      isNeeded: needed.has(name),
      isOwn: name.startsWith(own),
    }),
  )
}
