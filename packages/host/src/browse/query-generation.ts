import { Failure } from '@holdfast/base/failure'
import type { BROWSE_CALLS, SqliteCell } from '@holdfast/protocol/browse-calls'
import type { RpcParsed, RpcResponse } from '@holdfast/protocol/rpc-table'
import type { DatabaseAnswer } from './database-process.ts'
import { type GenerationDatabases, requireDatabase } from './generation-databases.ts'
import { findByText, type GenerationShelf } from './open-generation.ts'
import { requireReading } from './single-statement.ts'

export interface QueryDeps {
  readonly shelf: GenerationShelf
  readonly databases: GenerationDatabases
}

type QueryResult = RpcResponse<typeof BROWSE_CALLS, 'queryGeneration'>

export async function queryGeneration(
  { shelf, databases }: QueryDeps,
  request: RpcParsed<typeof BROWSE_CALLS, 'queryGeneration'>,
  signal?: AbortSignal,
): Promise<QueryResult> {
  if (request.sql !== null) requireReading(request.sql)
  const generation = await shelf.open(request, request.generation)
  const database = requireDatabase(generation, await findByText(generation, request.path))
  return resultOf(await databases.query(database, request.sql, signal), request.path)
}

/**
 * The rows that were told before the end, or before the process was stopped. The pages are what the generation holds, so
 * a database that SQLite cannot read is what its writer left and no damage of ours: `invalid-argument`.
 */
export function resultOf({ lines, ending }: DatabaseAnswer, path: string): QueryResult {
  let columns: readonly string[] = []
  const rows: (readonly SqliteCell[])[] = []
  let end: { readonly isWhole: boolean } | undefined
  for (const line of lines) {
    if ('columns' in line) columns = line.columns
    else if ('row' in line) rows.push(line.row)
    else if ('end' in line) end = line.end
    else throw new Failure('invalid-argument', `SQLite refuses ${path}: ${line.refused}`, { path })
  }
  if (end === undefined && rows.length === 0) {
    const why = ending === 'late' ? 'in time' : 'within its bounds of memory and processor time'
    throw new Failure('invalid-argument', `the query brought no row ${why}: narrow it`, { path })
  }
  return { columns: [...columns], rows: rows.map((row) => [...row]), isWhole: end?.isWhole ?? false }
}
