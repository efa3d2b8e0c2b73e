import { isFailure } from '@holdfast/base/failure'
import { callWatcher } from '@holdfast/generations/directory/control-client'
import { isAfterUncleanBoot } from '@holdfast/generations/directory/unclean-boot'
import type { MaintenanceStatus, WatchDrill, WatchStatus } from '@holdfast/generations/directory/watch-status'
import type { CommandSpec } from '../../command.ts'
import { formatDuration, formatInstant, isoInstant, shortId } from '../../output/quantities.ts'
import { formatPairs } from '../../output/table.ts'
import { DIR } from './parameters-of-dir.ts'

export const statusCommand: CommandSpec = {
  path: ['dir', 'status'],
  summary: 'Show whether a directory is watched, and how much a crash could lose now',
  arguments: [DIR],
  options: [],
  examples: [
    { line: 'dir status ./project', shows: 'the watch, its lag, its last failure and its maintenance' },
  ],
  async run(context, given) {
    const directory = await context.directory(given.argument('DIR'), 'reading')
    const [head] = await directory.history(1)
    const watch = await askWatch(directory.folder)
    const { path, volume } = directory.config
    const isDoubted = isAfterUncleanBoot(directory)
    const lastCommittedAt = head?.createdAt ?? null
    await context.output.show({
      text: () =>
        `${path}\n` +
        formatPairs([
          ['head', head ? `generation ${head.sequence} (${shortId(head.id)})` : 'no generation yet'],
          ['committed', lastCommittedAt === null ? '-' : formatInstant(lastCommittedAt)],
          ['store', directory.store.address],
          ...(isDoubted ? ([['volume', DOUBT]] as const) : []),
          ...(watch ? watchPairs(watch) : ([['watch', 'none runs: `hold dir watch` starts one']] as const)),
        ]),
      json: () => ({
        path,
        volume,
        isDoubted,
        store: directory.store.address,
        head: head?.id ?? null,
        sequence: head?.sequence ?? 0,
        lastCommittedAt: lastCommittedAt === null ? null : isoInstant(lastCommittedAt),
        watch,
      }),
      ids: () => (head ? [head.id] : []),
    })
    return undefined
  },
}

/** Of a volume that the machine went down with. */
export const DOUBT = 'in use when the machine went down: the next commit reads every file'

/** Null when no watch runs. */
async function askWatch(folder: string): Promise<WatchStatus | null> {
  try {
    return await callWatcher(folder, { request: 'status' })
  } catch (error) {
    if (isFailure(error, 'not-found')) return null
    throw error
  }
}

function watchPairs(watch: WatchStatus): readonly (readonly [string, string])[] {
  return [
    ['watch', watch.commandPid === null ? watch.state : `${watch.state}, runs process ${watch.commandPid}`],
    ['consistency', watch.consistency],
    ['unsaved for', watch.pending ? formatDuration(watch.lagMs) : 'nothing is unsaved'],
    ['a crash loses', `at most about ${formatDuration(watch.rpoMs)} of work`],
    ['frozen', `${formatDuration(watch.frozenMs)}, 95 % of cuts below ${formatDuration(watch.frozenMsP95)}`],
    ...(watch.lastFailure ? ([['last failure', watch.lastFailure.message]] as const) : []),
    ...maintenancePairs(watch.maintenance),
  ]
}

function maintenancePairs(maintenance: MaintenanceStatus): readonly (readonly [string, string])[] {
  const { lastCompactedAt, lastCollectedAt, lastDrill, lastFailure } = maintenance
  const instant = (at: number | null) => (at === null ? 'not yet in this watch' : formatInstant(at))
  return [
    ['packs merged', instant(lastCompactedAt)],
    ['garbage removed', instant(lastCollectedAt)],
    ['drilled', lastDrill === null ? 'not yet in this watch' : drillText(lastDrill)],
    ...(lastFailure ? ([['maintenance', `tried again: ${lastFailure.message}`]] as const) : []),
  ]
}

function drillText({ sequence, problem, drilledAt }: WatchDrill): string {
  const how = problem === null ? 'proven' : `NOT PROVEN: ${problem}`
  return `generation ${sequence} at ${formatInstant(drilledAt)}, ${how}`
}
