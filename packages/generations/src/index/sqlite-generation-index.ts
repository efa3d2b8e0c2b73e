import { SqlGenerationIndex } from './sql-generation-index.ts'
import { SqliteHistory } from './sqlite-history.ts'
import type { SqliteHistoryOptions } from './sqlite-schema.ts'

/**
 * The history in one SQLite file, which several processes may have open; see `SqliteHistory`. A resolved write is
 * synced to disk. Beside the codes of the port it rejects with `volume-full`, `no-permission` and `history-corrupt`.
 */
export class SqliteGenerationIndex extends SqlGenerationIndex {
  /** Opens or creates the file; rejects as `openHistory` does. */
  static async open(options: SqliteHistoryOptions): Promise<SqliteGenerationIndex> {
    return new SqliteGenerationIndex(new SqliteHistory(options))
  }
}
