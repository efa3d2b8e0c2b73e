import { readFileSync } from 'node:fs'
import { z } from 'zod'

const MANIFEST = new URL('../package.json', import.meta.url)

/** Of this release. */
export const VERSION = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(MANIFEST, 'utf8'))).version
