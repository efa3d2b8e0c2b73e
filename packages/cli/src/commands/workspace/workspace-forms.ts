import type { WorkspaceState } from '@holdfast/client/workspace'
import type { Context } from '../../open-context.ts'
import { documentOf } from '../../output/document.ts'
import type { Shown } from '../../output/output.ts'
import { formatBytes, formatDuration, formatInstant, shortId } from '../../output/quantities.ts'
import { type Column, formatPairs, formatTable } from '../../output/table.ts'

type Row = WorkspaceState

/** Of a digest: `sha256:` and enough to tell it from others. */
const PINNED_CHARACTERS = 19

const COLUMNS: readonly Column<Row>[] = [
  { title: 'NAME', cell: nameOf },
  { title: 'STATUS', cell: statusText },
  { title: 'GENERATION', align: 'right', cell: ({ sequence }) => (sequence === 0 ? '-' : String(sequence)) },
  { title: 'DURABLE', cell: ({ lastDurableAt }) => instant(lastDurableAt) },
  { title: 'CREATED', drops: true, cell: ({ createdAt }) => formatInstant(createdAt) },
  { title: 'ID', shrinks: true, cell: ({ id }) => id },
]

const WIDE_COLUMNS: readonly Column<Row>[] = [
  ...COLUMNS,
  { title: 'RUNTIME', cell: ({ runtime }) => runtime ?? '-' },
  { title: 'ISOLATION', cell: ({ isolation }) => isolation ?? '-' },
  { title: 'EPOCH', align: 'right', cell: ({ epoch }) => String(epoch) },
  { title: 'HOST', cell: ({ hostId }) => hostId ?? '-' },
  { title: 'LABELS', cell: ({ labels }) => pairsText(labels) },
]

/** The name, or the id of one without. */
export function nameOf({ name, id }: Pick<Row, 'name' | 'id'>): string {
  return name ?? id
}

/** A table of workspaces. */
export function workspacesShown(rows: readonly Row[], { output }: Context): Shown {
  return {
    text: () => formatTable(output.mode === 'wide' ? WIDE_COLUMNS : COLUMNS, rows, output),
    json: () => rows.map(documentOf),
    ids: () => rows.map(({ id }) => id),
    names: () => rows.map(nameOf),
  }
}

/** One workspace, after something was done with it: told in one line. */
export function workspaceShown(row: Row, told: string): Shown {
  return {
    text: () => `${told}\n`,
    json: () => documentOf(row),
    ids: () => [row.id],
    names: () => [nameOf(row)],
  }
}

/** Everything about one workspace. */
export function workspaceText(row: Row): string {
  return `Workspace ${nameOf(row)}\n${formatPairs([
    ['id', row.id],
    ['status', statusText(row)],
    ...optional('because', row.statusMessage),
    ['role', row.roleId],
    ['created', `${formatInstant(row.createdAt)} by ${row.createdByUserId}`],
    [
      'generation',
      row.headGeneration === null ? 'none yet' : `${row.sequence} (${shortId(row.headGeneration)})`,
    ],
    ['durable', durableText(row)],
    ['last drill', drillText(row)],
    ...optional('last failed save', row.lastSnapshotError),
    [
      'runs by',
      row.runtime === null ? 'nothing at present' : `${row.runtime} (${row.isolation ?? 'unknown'})`,
    ],
    ['host', row.hostId === null ? '-' : `${row.hostId}, epoch ${row.epoch}`],
    ['system', systemText(row.system)],
    ['writes to it', row.systemWrites],
    ...optional('packs', packsText(row)),
    ['fsync', row.fsync],
    ['limits', limitsText(row.limits)],
    ['idle timeout', row.idleTimeoutMs === null ? 'none' : formatDuration(row.idleTimeoutMs)],
    ...optional('forked from', row.parentWorkspaceId),
    ['labels', pairsText(row.labels)],
    ['next', row.allowedActions.join(', ')],
  ])}`
}

function optional(name: string, value: string | null): readonly [string, string][] {
  return value === null ? [] : [[name, value]]
}

function statusText({ status, statusReason, archivedAt }: Row): string {
  const reason = statusReason === null ? '' : ` (${statusReason})`
  return `${status}${reason}${archivedAt === null ? '' : ', archived'}`
}

function durableText({ lastDurableAt, syncLagMs }: Row): string {
  const lag = syncLagMs === null ? '' : `, ${formatDuration(syncLagMs)} behind`
  return instant(lastDurableAt) + lag
}

function systemText(system: Row['system']): string {
  switch (system.kind) {
    case 'machine':
      return system.kind
    case 'directory':
      return system.path
    case 'image':
      return pinnedText(system.reference, system.digest)
  }
}

function packsText({ packs, packStatus }: Row): string | null {
  if (packs.length === 0 && packStatus !== 'stale') return null
  const texts = packs.map(({ name, source, digest }) => `${name} = ${pinnedText(source, digest)}`)
  const stale = packStatus === 'stale' ? ['not yet in the sandbox: restart it'] : []
  return [...texts, ...stale].join('; ')
}

function pinnedText(reference: string, digest: string | undefined): string {
  if (digest === undefined || reference.endsWith(digest)) return reference
  return `${reference} (${digest.slice(0, PINNED_CHARACTERS)})`
}

function drillText({ lastDrill }: Row): string {
  if (lastDrill === null) return 'none yet'
  const detail = lastDrill.detail === '' ? '' : `: ${lastDrill.detail}`
  return `${lastDrill.outcome} at ${formatInstant(lastDrill.at)}${detail}`
}

function limitsText({ memoryBytes, cpus, pids, diskBytes }: Row['limits']): string {
  return `${formatBytes(memoryBytes)} memory, ${cpus} CPUs, ${pids} processes, ${formatBytes(diskBytes)} disk`
}

function pairsText(pairs: Readonly<Record<string, string>>): string {
  const texts = Object.entries(pairs).map(([name, value]) => `${name}=${value}`)
  return texts.length === 0 ? '-' : texts.join(' ')
}

function instant(wallMs: number | null): string {
  return wallMs === null ? '-' : formatInstant(wallMs)
}
