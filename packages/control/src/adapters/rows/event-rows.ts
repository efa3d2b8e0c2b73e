import { createHash } from 'node:crypto'
import { assert } from '@holdfast/base/assert'
import type { OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import type { AuditHead } from '../../domain/audit-chain.ts'
import {
  AUDIT_HASH_FIRST,
  type AuditRow,
  auditHash,
  type EventRecord,
  type EventSource,
  type NewEvent,
} from '../../domain/event.ts'
import type { EventQuery, EventReads, EventRemovals } from '../../ports/store.ts'
import type { Database, Tables } from '../tables.ts'
import type { Session } from './session.ts'

/** More rows than one query is kept for are written by several. */
const ROWS_MAX = 8

function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

export class EventRows implements EventReads, EventRemovals {
  readonly #database: Database
  readonly #session: Session

  constructor(database: Database, session: Session) {
    this.#database = database
    this.#session = session
  }

  async list(query: EventQuery): Promise<readonly EventRecord[]> {
    const { org, workspace, category, types, afterId, beforeId, limit } = query
    let found = this.#database.selectFrom('control_events').selectAll().where('org_id', '=', org)
    if (workspace !== undefined) found = found.where('workspace_id', '=', workspace)
    if (category !== undefined) found = found.where('category', '=', category)
    if (types !== undefined) found = found.where('type', 'in', types)
    if (afterId !== undefined) found = found.where('id', '>', afterId)
    if (beforeId !== undefined) found = found.where('id', '<', beforeId)
    const rows = await found
      .orderBy('id', afterId === undefined ? 'desc' : 'asc')
      .limit(limit)
      .execute()
    return rows.map(eventOf)
  }

  async lastId(): Promise<number> {
    const row = await this.#session.first('last event', {}, () =>
      this.#database.selectFrom('control_sequencer').select('value').where('name', '=', 'events'),
    )
    return row?.value ?? 0
  }

  async auditRows(org: string, afterId: number, limit: number): Promise<readonly AuditRow[]> {
    const rows = await this.#database
      .selectFrom('control_events')
      .selectAll()
      .where('org_id', '=', org)
      .where('category', '=', 'audit')
      .where('id', '>', afterId)
      .orderBy('id')
      .limit(limit)
      .execute()
    return rows.map((row) => ({
      ...eventOf(row),
      previousHash: row.previous_hash ?? '',
      hash: row.hash ?? '',
    }))
  }

  async auditHead(org: string): Promise<AuditHead> {
    const row = await this.#session.first('audit head', { org }, (given) =>
      this.#database
        .selectFrom('control_audit_heads')
        .select(['rows', 'hash'])
        .where('org_id', '=', given.org),
    )
    return row ?? { rows: 0, hash: AUDIT_HASH_FIRST }
  }

  async removedThrough(): Promise<number> {
    const row = await this.#database
      .selectFrom('control_sequencer')
      .select('value')
      .where('name', '=', REMOVED)
      .executeTakeFirst()
    return row?.value ?? 0
  }

  async removeBefore(at: number, rowsMax: number): Promise<boolean> {
    // Whoever writes the row first has it until the commit: another replica removes what is left then.
    const { value: removed } = await this.#database
      .updateTable('control_sequencer')
      .set(({ ref }) => ({ value: ref('value') }))
      .where('name', '=', REMOVED)
      .returning('value')
      .executeTakeFirstOrThrow()
    const rows = await this.#database
      .selectFrom('control_events')
      .select(['id', 'source', 'at'])
      .where('id', '>', removed)
      .orderBy('id')
      .limit(rowsMax)
      .execute()
    const through = lastBefore(rows, at)
    if (through === undefined) return false
    await this.#database
      .deleteFrom('control_events')
      .where('id', '>', removed)
      .where('id', '<=', through)
      .where('category', '=', 'activity')
      .execute()
    await this.#database
      .updateTable('control_sequencer')
      .set({ value: through })
      .where('name', '=', REMOVED)
      .execute()
    return rows.length === rowsMax && through === rows.at(-1)?.id
  }

  /**
   * Numbers and writes events, the last thing of a transaction: whoever takes the sequencer's row keeps it until the
   * commit, so that numbers become visible in their order.
   */
  async append(events: readonly NewEvent[]): Promise<void> {
    if (events.length === 0) return
    const value = await this.#lastNumberOf(events.length)
    const heads = new Map<string, AuditHead>()
    const rows: Tables['control_events'][] = []
    for (const [index, event] of events.entries()) {
      const record = { ...event, id: value - events.length + 1 + index }
      rows.push({
        ...columnsOf(record),
        ...(event.category === 'audit' ? await this.#link(heads, record) : UNLINKED),
      })
    }
    for (let at = 0; at < rows.length; at += ROWS_MAX)
      await this.#session.runRows('events', rows.slice(at, at + ROWS_MAX), (columns) =>
        this.#database.insertInto('control_events').values(columns),
      )
    for (const [org, head] of heads) await this.#saveHead(org, head)
  }

  /** Takes so many numbers, and says the last of them. */
  async #lastNumberOf(count: number): Promise<number> {
    const row = await this.#session.first('number events', { count }, (given) =>
      this.#database
        .updateTable('control_sequencer')
        .set(({ eb }) => ({ value: eb('value', '+', given.count) }))
        .where('name', '=', 'events')
        .returning('value'),
    )
    assert(row, 'migrations make the sequencer of events')
    return row.value
  }

  async #link(heads: Map<string, AuditHead>, event: EventRecord) {
    const head = heads.get(event.org) ?? (await this.auditHead(event.org))
    const hash = auditHash(event, head.hash, sha256Hex)
    heads.set(event.org, { rows: head.rows + 1, hash })
    return { previous_hash: head.hash, hash }
  }

  async #saveHead(org: string, { rows, hash }: AuditHead): Promise<void> {
    await this.#session.first('save audit head', { org_id: org, rows, hash }, (columns) =>
      this.#database
        .insertInto('control_audit_heads')
        .values(columns)
        .onConflict((conflict) =>
          conflict.column('org_id').doUpdateSet({ rows: columns.rows, hash: columns.hash }),
        ),
    )
  }
}

/** Of the sequencer's rows, the one that says how far activity was removed. */
const REMOVED = 'events-removed'

/**
 * The last of these rows, in the order of their numbers, up to which all are older than an instant. What comes before an
 * old row of control's is old, whatever its host's clock has said.
 */
function lastBefore(
  rows: readonly Pick<Tables['control_events'], 'id' | 'source' | 'at'>[],
  at: number,
): number | undefined {
  const firstKept = rows.findIndex((row) => row.source === 'control' && row.at >= at)
  const early = firstKept < 0 ? rows : rows.slice(0, firstKept)
  const lastOwn = early.findLastIndex(({ source }) => source === 'control')
  const firstFresh = early.findIndex((row, index) => index > lastOwn && row.at >= at)
  return early[(firstFresh < 0 ? early.length : firstFresh) - 1]?.id
}

const UNLINKED = { previous_hash: null, hash: null }

function columnsOf(event: EventRecord) {
  const { id, org, workspace, category, type, actor, source, at, payload } = event
  return {
    ...{ id, org_id: org, workspace_id: workspace, category, type, actor, source },
    at: Math.floor(at),
    payload: JSON.stringify(payload),
  }
}

function eventOf(row: Tables['control_events']): EventRecord {
  return {
    id: row.id,
    org: row.org_id as OrgId,
    workspace: row.workspace_id as WorkspaceId | null,
    category: row.category as EventRecord['category'],
    type: row.type,
    actor: row.actor,
    source: row.source as EventSource,
    at: row.at,
    payload: JSON.parse(row.payload) as EventRecord['payload'],
  }
}
