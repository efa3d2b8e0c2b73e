interface Page<Item> {
  readonly items: readonly Item[]
  readonly nextCursor: string | null
}

/** The items of all pages, each page asked for when the one before is used up. */
export async function* pageItems<Item>(
  ask: (cursor: string | undefined) => Promise<Page<Item>>,
): AsyncGenerator<Item, void> {
  let cursor: string | undefined
  do {
    const page: Page<Item> = await ask(cursor)
    yield* page.items
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined)
}
