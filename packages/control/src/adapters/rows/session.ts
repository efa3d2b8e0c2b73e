/** What the rows of one transaction share. */
export interface Session {
  /** True where transactions run beside one another, and a row is locked by reading it. */
  readonly locksRows: boolean
  /** Workspaces that were changed. */
  readonly workspaces: Set<string>
}

/** What was written here: its type is the writer's. */
export function documentOf<T>(row: { readonly document: string }): T {
  return JSON.parse(row.document) as T
}

const POSTGRES_UNIQUE_VIOLATION = '23505'

export function isUniqueViolation(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error ? error.code : undefined
  return code === POSTGRES_UNIQUE_VIOLATION || error.message.startsWith('UNIQUE constraint failed')
}
