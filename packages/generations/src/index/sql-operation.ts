export type SqlValue = string | number | null | readonly string[]
/** A row as a driver returns it; the parsers in `sql-rows.ts` say what is in it. */
export type SqlRow = Readonly<Record<string, unknown>>

/** One statement; each `?` in `sql` stands for the next of `values`. */
export interface Statement {
  readonly sql: string
  readonly values: readonly SqlValue[]
}

/**
 * What runs inside one transaction: it yields statements, gets their rows back, and knows no driver. SQLite carries it
 * out at once and Postgres in turns, so both adapters decide by the same code.
 */
export type Operation<T> = Generator<Statement, T, readonly SqlRow[]>

export function* all(sql: string, ...values: readonly SqlValue[]): Operation<readonly SqlRow[]> {
  return yield { sql, values }
}

export function* one(sql: string, ...values: readonly SqlValue[]): Operation<SqlRow | undefined> {
  const [row] = yield { sql, values }
  return row
}

export function* run(sql: string, ...values: readonly SqlValue[]): Operation<void> {
  yield { sql, values }
}

/** What needs no statement. */
// biome-ignore lint/correctness/useYield: that is the point of it.
export function* known<T>(value: T): Operation<T> {
  return value
}

/** Is one of a list, which is the next value. These are the words of SQLite; another driver puts in its own. */
export const IS_LISTED = 'IN (SELECT value FROM json_each(?))'
