export type SqlValue = string | number | null
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

/** A list as one value: statements find it with `EACH`. */
export function listOf(names: readonly string[]): string {
  return JSON.stringify(names)
}

/** The members of a list that is passed as one value; a driver of another dialect puts its own words in place. */
export const EACH = '(SELECT value FROM json_each(?))'
