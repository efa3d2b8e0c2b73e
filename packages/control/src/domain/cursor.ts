import { Failure } from '@holdfast/base/failure'

/** Where a page begins: behind what was made at `at` and is named `id`. */
export interface Position {
  readonly at: number
  readonly id: string
}

const CURSOR = /^(\d{1,16})\.([A-Za-z0-9._-]{1,256})$/

export function formatCursor({ at, id }: Position): string {
  return `${at}.${id}`
}

/** Rejects with `invalid-argument` what no page has given out. */
export function parseCursor(text: string): Position {
  const [, at, id] = CURSOR.exec(text) ?? []
  if (at === undefined || id === undefined)
    throw new Failure('invalid-argument', 'the cursor is none that a page has given out', {
      argument: 'cursor',
    })
  return { at: Number(at), id }
}

export interface Page<Item> {
  readonly items: readonly Item[]
  readonly next: string | null
}

/** A page of `limit` of `found`, which was asked for one more than that. */
export function pageFrom<Item>(
  found: readonly Item[],
  limit: number,
  position: (item: Item) => Position,
): Page<Item> {
  const items = found.slice(0, limit)
  const last = items.at(-1)
  return { items, next: found.length > limit && last !== undefined ? formatCursor(position(last)) : null }
}
