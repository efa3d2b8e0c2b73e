import { SqlGenerationIndex } from '@holdfast/generations/index/sql-generation-index'
import { PostgresDatabase, type PostgresOptions } from './postgres-database.ts'

/** The history in PostgreSQL, for several lease roles at once. */
export class PostgresGenerationIndex extends SqlGenerationIndex {
  /** Rejects as `PostgresDatabase.open` does. */
  static async open(options: PostgresOptions): Promise<PostgresGenerationIndex> {
    return new PostgresGenerationIndex(await PostgresDatabase.open(options))
  }
}
