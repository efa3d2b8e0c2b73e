import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { readJsonFile, replaceVolatileFile } from '@holdfast/generations/directory/json-file'
import { z } from 'zod'

/** Which generation the files of a workspace equal, as long as nobody has written them since. */
const SeedMark = z.strictObject({
  /** Null: empty, for a history without a generation. */
  generation: z.string().nullable(),
  /** The run of the machine: what was written before is not trusted after the next start, this mark included. */
  bootId: z.string(),
})
export type SeedMark = z.infer<typeof SeedMark>

const NAME = 'seed.json'

/** Undefined: the files may be anything. */
export function readSeedMark(folder: string): SeedMark | undefined {
  try {
    const parsed = SeedMark.safeParse(readJsonFile(join(folder, NAME)))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined // damaged: the files are brought from the store
  }
}

export function writeSeedMark(folder: string, mark: SeedMark): void {
  replaceVolatileFile(join(folder, NAME), JSON.stringify(mark))
}

/** From now on the files may be anything. Not synced: after a loss of power, no mark of before counts. */
export function clearSeedMark(folder: string): void {
  rmSync(join(folder, NAME), { force: true })
}
