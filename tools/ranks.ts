interface Place {
  readonly rank: number
  /** Packages of its own rank that it may import all the same. */
  readonly peers?: readonly string[]
  /** It runs in a browser: no `node:` modules, and no package but these. */
  readonly browserOnly?: readonly string[]
}

/** The picture in ARCHITECTURE.md: a package imports only from lower ranks. `testkit` stands aside. */
const PLACES: Readonly<Record<string, Place>> = {
  protocol: { rank: 1, browserOnly: [] },
  base: { rank: 1, peers: ['protocol'] },

  generations: { rank: 2 },
  sandbox: { rank: 2 },
  rpc: { rank: 2 },
  client: { rank: 2, browserOnly: ['protocol'] },

  control: { rank: 3 },
  lease: { rank: 3 },
  host: { rank: 3 },
  egress: { rank: 3 },
  gateway: { rank: 3 },
  agent: { rank: 3 },

  server: { rank: 4 },
  /** `hold up` and `hold server` start the roles. */
  cli: { rank: 4, peers: ['server'] },
  console: { rank: 4, browserOnly: ['protocol', 'client'] },
}

const COMPAT: Place = { rank: 4 }
export const RANK_OF_COMPOSITION = 4

/** Where a package stands; undefined for one that the picture does not show. */
export function placeOf(name: string): Place | undefined {
  return PLACES[name] ?? (name.startsWith('compat-') ? COMPAT : undefined)
}

/** Why package `from` must not import package `to`; undefined if it may. Neither is `testkit`. */
export function rankObjection(from: string, to: string): string | undefined {
  const importer = placeOf(from)
  const imported = placeOf(to)
  if (importer === undefined) return `${from} has no place in tools/ranks.ts`
  if (imported === undefined) return `${to} has no place in tools/ranks.ts`
  if (from === to) return 'inside a package imports are relative'
  if (importer.browserOnly && !importer.browserOnly.includes(to))
    return `${from} runs in a browser, ${to} does not`
  if (imported.rank < importer.rank || importer.peers?.includes(to)) return undefined
  return `${from} has rank ${importer.rank}, ${to} has rank ${imported.rank}: imports go to a lower rank`
}
