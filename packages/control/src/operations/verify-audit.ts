import { createHash } from 'node:crypto'
import { AuditFollower, type AuditVerdict } from '../domain/audit-chain.ts'
import type { Caller, Deps } from './context.ts'

const PAGE = 1_000

/** Follows the audit of the caller's org from its first row to its head. */
export async function verifyAudit(deps: Deps, caller: Caller): Promise<AuditVerdict> {
  const { events } = deps.store.read
  // The head first: rows that are written while this reads lie behind it.
  const head = await events.auditHead(caller.org)
  const follower = new AuditFollower((text) => createHash('sha256').update(text).digest('hex'))
  let afterId = 0
  for (let followed = 0; followed < head.rows; ) {
    const rows = await events.auditRows(caller.org, afterId, Math.min(PAGE, head.rows - followed))
    for (const row of rows) follower.follow(row)
    followed += rows.length
    const last = rows.at(-1)
    if (last === undefined) break
    afterId = last.id
  }
  return follower.verdict(head)
}
