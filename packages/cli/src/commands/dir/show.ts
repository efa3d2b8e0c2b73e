import type { DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import { decodeGenerationRecord, type GenerationRecord } from '@holdfast/generations/format/generation-record'
import type { GenerationRow } from '@holdfast/generations/index/generation-index'
import { openReadable } from '@holdfast/generations/maintenance/mark-workspace'
import { readRecord } from '@holdfast/generations/maintenance/read-record'
import type { CommandSpec } from '../../command.ts'
import { counted, formatBytes, formatCount, formatInstant } from '../../output/quantities.ts'
import { formatPairs } from '../../output/table.ts'
import { generationJson, verifiedText } from './generation-forms.ts'
import { DIR } from './parameters-of-dir.ts'

const NOTICES_SHOWN = 10

export const showCommand: CommandSpec = {
  path: ['dir', 'show'],
  summary: 'Show one generation: what it holds, and what it could not hold',
  arguments: [
    DIR,
    {
      name: 'GEN',
      presence: 'optional',
      about: 'head, its number, or the beginning of its id (default: head)',
    },
  ],
  options: [],
  examples: [
    { line: 'dir show ./project', shows: 'the newest generation' },
    { line: 'dir show ./project 12 -o json', shows: 'number 12 as JSON, with its notices' },
  ],
  async run(context, given) {
    const directory = await context.directory(given.argument('DIR'), 'reading')
    const row = await directory.find(given.optionalArgument('GEN'))
    const record = row.retained ? await recordOf(directory, row) : undefined
    await context.output.show({
      text: () => describe(row, record),
      json: () => ({
        ...generationJson(row),
        epoch: row.epoch,
        databases: record?.databases ?? null,
        notices: record?.notices ?? [],
        recordPack: row.recordPack,
      }),
      ids: () => [row.id],
    })
    return undefined
  },
}

/** Wherever it lies in the store now. Rejects with `object-missing`, or as reading a pack does. */
async function recordOf(directory: DurableDirectory, row: GenerationRow): Promise<GenerationRecord> {
  const chunks = await openReadable(directory, directory.config)
  return decodeGenerationRecord(await readRecord(directory, chunks, row))
}

function describe(row: GenerationRow, record: GenerationRecord | undefined): string {
  const pairs: [string, string][] = [
    ['id', row.id],
    ['parent', row.parent ?? 'none: the first'],
    ['when', formatInstant(row.createdAt)],
    ['cause', row.cause],
    ['message', row.message === '' ? '-' : row.message],
    ['holds', `${counted(row.files, 'file')}, ${formatBytes(row.bytes)}`],
  ]
  if (record) pairs.push(['databases', formatCount(record.databases)])
  pairs.push(
    ['consistency', CONSISTENCY[row.consistency]],
    [
      'verified',
      row.verifiedAt === null ? 'not yet: `hold dir verify` restores and compares it' : verifiedText(row),
    ],
  )
  if (!row.retained) pairs.push(['dropped', 'by retention: it cannot be restored any more'])
  return `Generation ${row.sequence}\n${formatPairs(pairs)}${noticesText(record)}`
}

const CONSISTENCY: Readonly<Record<GenerationRow['consistency'], string>> = {
  cut: 'cut: all databases and files are of one instant',
  'per-database': 'per-database: each database is consistent by itself',
}

const REASONS: Readonly<Record<GenerationRecord['notices'][number]['reason'], string>> = {
  'fifo-skipped': 'a named pipe is not kept',
  'socket-skipped': 'a socket is not kept',
  'subvolume-skipped': 'a subvolume inside the directory is not kept',
  'appended-while-read': 'grew while it was read: kept up to where it was',
  'not-captured': 'is not kept: it could be neither locked nor frozen',
}

function noticesText(record: GenerationRecord | undefined): string {
  const notices = record?.notices ?? []
  if (notices.length === 0) return ''
  const lines = notices
    .slice(0, NOTICES_SHOWN)
    .map(({ path, reason }): [string, string] => [path, REASONS[reason]])
  const more = notices.length - lines.length
  return `Notices\n${formatPairs(lines)}${more > 0 ? `  and ${formatCount(more)} more: -o json lists them\n` : ''}`
}
