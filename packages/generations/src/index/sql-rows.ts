import { Failure } from '@holdfast/base/failure'
import { CONSISTENCIES, GENERATION_CAUSES } from '@holdfast/protocol/generation'
import type { GenerationRow, PackRow, PackState, WorkspaceRow } from './generation-index.ts'
import type { SqlRow } from './sql-operation.ts'
import type { StoredPack } from './write-decision.ts'

const PACK_STATES: readonly PackState[] = ['live', 'condemned', 'deleted']

function wrong(column: string): Failure {
  return new Failure('history-corrupt', `a row of the history has no valid ${column}`, { column })
}

export function textOf(row: SqlRow, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw wrong(column)
  return value
}

export function integerOf(row: SqlRow, column: string): number {
  const value = row[column]
  if (typeof value !== 'number') throw wrong(column)
  return value
}

export function textOrNullOf(row: SqlRow, column: string): string | null {
  return row[column] === null ? null : textOf(row, column)
}

function integerOrNullOf(row: SqlRow, column: string): number | null {
  return row[column] === null ? null : integerOf(row, column)
}

function oneOf<T extends string>(row: SqlRow, column: string, allowed: readonly T[]): T {
  const text = textOf(row, column)
  const value = allowed.find((candidate) => candidate === text)
  if (value === undefined) throw wrong(column)
  return value
}

/** Parses a row of `workspaces`; every parser here rejects what it does not know with `history-corrupt`. */
export function workspaceOf(row: SqlRow): WorkspaceRow {
  return {
    id: textOf(row, 'id'),
    org: textOf(row, 'org'),
    epoch: integerOf(row, 'epoch'),
    head: textOrNullOf(row, 'head'),
    forkedFrom: textOrNullOf(row, 'forked_from'),
  }
}

/** Parses a row of `generations`. */
export function generationOf(row: SqlRow): GenerationRow {
  return {
    id: textOf(row, 'id'),
    workspace: textOf(row, 'workspace'),
    sequence: integerOf(row, 'sequence'),
    epoch: integerOf(row, 'epoch'),
    parent: textOrNullOf(row, 'parent'),
    recordPack: textOf(row, 'record_pack'),
    root: textOf(row, 'root'),
    cause: oneOf(row, 'cause', GENERATION_CAUSES),
    message: textOf(row, 'message'),
    createdAt: integerOf(row, 'created_at'),
    files: integerOf(row, 'files'),
    bytes: integerOf(row, 'bytes'),
    consistency: oneOf(row, 'consistency', CONSISTENCIES),
    verifiedAt: integerOrNullOf(row, 'verified_at'),
    retained: integerOf(row, 'retained') === 1,
  }
}

/** Parses the columns of `packs` that the port shows. */
export function packOf(row: SqlRow): PackRow {
  return { name: textOf(row, 'name'), bytes: integerOf(row, 'bytes'), sha256: textOf(row, 'sha256') }
}

export function condemnedAtOf(row: SqlRow): number | null {
  return integerOrNullOf(row, 'condemned_at')
}

/** Parses a whole row of `packs`. */
export function storedPackOf(row: SqlRow): StoredPack {
  return {
    ...packOf(row),
    org: textOf(row, 'org'),
    state: oneOf(row, 'state', PACK_STATES),
    condemnedAt: condemnedAtOf(row),
  }
}
