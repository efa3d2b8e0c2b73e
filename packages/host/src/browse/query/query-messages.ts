/** Where the process finds the directory of a database, when it runs in a mount namespace of its own. */
export const MOUNTED_DIRECTORY = '/mnt/database'

/** What the process is asked on its standard input. */
export type DatabaseRequest =
  | {
      readonly kind: 'query'
      readonly path: string
      /** Null: the tables and how many rows each has. */
      readonly sql: string | null
      readonly rowsMax: number
      readonly bytesMax: number
      /** A text or blob of more is cut. */
      readonly cellBytesMax: number
    }
  /** Opens the database as its next writer would, so that what was under way is rolled back. `path`: Latin-1 bytes. */
  | { readonly kind: 'settle'; readonly path: string }

/** What it answers, one JSON document a line: `columns` first, `end` or `refused` last. */
export type DatabaseLine =
  | { readonly columns: readonly string[] }
  | { readonly row: readonly (string | number | null)[] }
  | { readonly end: { readonly isWhole: boolean } }
  | { readonly refused: string }
