import type { GenerationRow } from '@holdfast/generations/index/generation-index'
import { type DrillOutcome, drillGeneration } from '@holdfast/generations/maintenance/drill-generation'
import type { CommandSpec } from '../../command.ts'
import { EXIT } from '../../exit-codes.ts'
import { printable } from '../../output/printable.ts'
import type { ProgressState } from '../../output/progress.ts'
import { counted, formatBytes, formatCount, formatDuration, shortId } from '../../output/quantities.ts'
import { formatPairs } from '../../output/table.ts'
import { generationName } from './generation-forms.ts'
import { AT, DIR, requireRetained } from './parameters-of-dir.ts'

export const drillCommand: CommandSpec = {
  path: ['dir', 'drill'],
  summary: 'Prove that a generation can be restored, by restoring it',
  notes:
    'Restores into a scratch directory as a fresh machine would, compares every path with the record, and lets SQLite ' +
    'check every database. The generation is then marked as verified. Ends with 1 when it cannot be proven.',
  arguments: [DIR],
  options: [
    AT,
    {
      flags: '--scratch <PATH>',
      about: 'an existing directory with room for it',
      otherwise: 'in HOLDFAST_HOME',
    },
  ],
  examples: [
    { line: 'dir drill ./project', shows: 'the newest generation, for a nightly job' },
    { line: 'dir drill ./project --at 12 -o json', shows: 'number 12, with the rows of each database' },
  ],
  async run(context, given) {
    const directory = await context.directory(given.argument('DIR'), 'writing')
    const generation = requireRetained(await directory.find(given.option('at')))
    const { config, deps } = directory
    const parts = { store: directory.store, index: directory.index, coding: directory.coding }
    let state: ProgressState = { filesTotal: generation.files }
    const onProgress = (progress: ProgressState) => {
      state = progress
    }
    const scratch = given.option('scratch') ?? directory.folder
    const { result: outcome } = await context.timed(
      'drilling',
      () => state,
      () =>
        drillGeneration(
          { ...deps, ...parts, sealKey: directory.sealKey },
          { org: config.org, generation, scratch, mountPath: config.path, onProgress },
        ),
    )
    await context.output.show({
      text: () => describe(generation, outcome),
      json: () => ({ generation: generation.id, sequence: generation.sequence, ...outcome }),
      ids: () => (outcome.kind === 'verified' ? [generation.id] : []),
    })
    return outcome.kind === 'verified' ? EXIT.ok : EXIT.failure
  },
}

/** Databases that were not opened, by name. */
const UNOPENED_TOLD_MAX = 10

function describe(generation: GenerationRow, outcome: DrillOutcome): string {
  if (outcome.kind === 'failed') {
    const { problem, newestIntact } = outcome
    const instead =
      newestIntact === undefined
        ? 'none: `hold dir verify` says what is damaged'
        : `restore --at ${shortId(newestIntact)}`
    return `NOT PROVEN: ${generationName(generation)}\n${formatPairs([
      ['problem', problem],
      ['newest whole one', instead],
    ])}`
  }
  const { files, bytes, databases, times } = outcome
  const rows = databases.reduce((sum, database) => sum + database.rows, 0)
  const unopened = databases.filter(({ notChecked }) => notChecked !== undefined)
  const opened = databases.length - unopened.length
  const title =
    outcome.kind === 'verified'
      ? `Proven: ${generationName(generation)} restores to what was committed`
      : `NOT PROVEN: ${generationName(generation)} restores to what was committed, but not every database could be opened`
  return `${title}\n${formatPairs([
    ['restored', `${counted(files, 'file')}, ${formatBytes(bytes)}, in ${formatDuration(times.restoreMs)}`],
    ['compared', `every path with its record, in ${formatDuration(times.compareMs)}`],
    [
      'databases',
      `${counted(opened, 'database')}, ${formatCount(rows)} rows, integrity_check ok, in ${formatDuration(times.databasesMs)}`,
    ],
    ...unopened
      .slice(0, UNOPENED_TOLD_MAX)
      .map(({ path, notChecked }) => ['not checked', printable(`${path}: ${notChecked}`)] as const),
  ])}`
}
