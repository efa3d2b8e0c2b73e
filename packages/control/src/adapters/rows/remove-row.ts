import type { DeleteResult } from 'kysely'

/** True if there was such a row. */
export async function removeRow(rows: { executeTakeFirst(): Promise<DeleteResult> }): Promise<boolean> {
  const { numDeletedRows } = await rows.executeTakeFirst()
  return numDeletedRows > 0n
}
