import { createRequire } from 'node:module'
import type stringWidth from 'string-width'

/** Characters that take one column each wherever they stand alone. */
const NARROW = /^[ -~…]*$/

const load = createRequire(import.meta.url)
let widthOfAny: typeof stringWidth | undefined

/** Columns that a text takes on a terminal. What knows every script takes 70 ms to load: most texts do without. */
export function textWidth(text: string): number {
  if (NARROW.test(text)) return text.length
  widthOfAny ??= (load('string-width') as { default: typeof stringWidth }).default
  return widthOfAny(text)
}
