import type { Compilable, CompiledQuery } from 'kysely'
import type { KeptQueries, Values } from '../kept-queries.ts'

export type RunQuery = <Row>(query: CompiledQuery<Row>) => Promise<readonly Row[]>

export interface SessionOptions {
  /** True where transactions run beside one another, and a row is locked by reading it. */
  readonly locksRows: boolean
  /** Of all sessions that lock alike. */
  readonly queries: KeptQueries
  readonly run: RunQuery
}

/** What the rows of one transaction share. */
export class Session {
  readonly locksRows: boolean
  /** Workspaces that were changed. */
  readonly workspaces = new Set<string>()
  readonly #queries: KeptQueries
  readonly #run: RunQuery

  constructor({ locksRows, queries, run }: SessionOptions) {
    this.locksRows = locksRows
    this.#queries = queries
    this.#run = run
  }

  /** The first row of a query that is kept under its name. */
  async first<Given extends Values, Row>(
    name: string,
    given: Given,
    build: (given: Given) => Compilable<Row>,
  ): Promise<Row | undefined> {
    const query = this.#queries.query(name, [given], ([standIns = given]) => build(standIns))
    return (await this.#run(query))[0]
  }

  /** A query over any number of rows, kept for each number apart. */
  async runRows<Given extends Values>(
    name: string,
    rows: readonly Given[],
    build: (rows: readonly Given[]) => Compilable<unknown>,
  ): Promise<void> {
    await this.#run(this.#queries.query(`${name} ${rows.length}`, rows, build))
  }
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
