import { Failure } from '@holdfast/base/failure'
import {
  type DamagedObject,
  type VerifyReport,
  verifyStore,
} from '@holdfast/generations/maintenance/verify-store'
import type { CommandSpec } from '../../command.ts'
import { EXIT } from '../../exit-codes.ts'
import { counted, formatBytes, formatDuration, shortId } from '../../output/quantities.ts'
import { formatPairs } from '../../output/table.ts'
import { parseCount } from '../../parameters.ts'
import { DIR } from './parameters-of-dir.ts'

const PARTS_MAX = 10_000
const DAMAGE_SHOWN = 20

export const verifyCommand: CommandSpec = {
  path: ['dir', 'verify'],
  summary: 'Read everything a history needs from the store, and check every byte',
  notes: 'Ends with 1 when something is damaged, and names the generations and paths that are lost with it.',
  arguments: [DIR],
  options: [
    { flags: '--part <N/M>', about: 'only the Nth of M parts: all is read within M runs' },
    { flags: '--all', about: 'all that directories of this home keep in the same store' },
  ],
  examples: [
    { line: 'dir verify ./project', shows: 'check all that the history of a directory needs' },
    { line: 'dir verify ./project --part 3/7', shows: 'a seventh of it, for a daily job' },
  ],
  async run(context, given) {
    const directory = await context.directory(given.argument('DIR'), 'reading')
    const { org, workspace } = directory.config
    const part = given.option('part')
    const subset = part === undefined ? {} : { subset: parsePart(part) }
    let bytesTotal: number | undefined
    const onPlanned = ({ bytes }: { readonly bytes: number }) => {
      bytesTotal = context.traffic.bytesGot + bytes
    }
    const state = () => {
      const bytesDone = context.traffic.bytesGot
      return bytesTotal === undefined ? { bytesDone } : { bytesDone, bytesTotal }
    }
    const { result: report, elapsedMs } = await context.timed('verifying', state, () =>
      verifyStore(directory, { org, ...(given.has('all') ? {} : { workspace }), ...subset, onPlanned }),
    )
    await context.output.show({
      text: () => describe(report, elapsedMs),
      json: () => ({ ...report, elapsedMs }),
      ids: () => report.damaged.map(({ object }) => object),
    })
    return report.damaged.length === 0 ? EXIT.ok : EXIT.failure
  },
}

function parsePart(text: string): { readonly part: number; readonly parts: number } {
  const [, part = '', parts = ''] = /^(\d+)\/(\d+)$/.exec(text) ?? []
  if (part === '') throw new Failure('invalid-argument', `--part is N/M such as 3/7, not ${text}`)
  const total = parseCount('M of --part', parts, { min: 1, max: PARTS_MAX })
  return { part: parseCount('N of --part', part, { min: 1, max: total }), parts: total }
}

function describe(report: VerifyReport, elapsedMs: number): string {
  const read = `${formatBytes(report.bytes)} in ${counted(report.packs, 'pack')}, ${counted(report.chunks, 'chunk')}, in ${formatDuration(elapsedMs)}`
  const left = report.unreferenced.length
  const leftovers =
    left === 0 ? '' : `  ${counted(left, 'leftover object')}: \`hold dir gc --orphans\` removes them\n`
  if (report.damaged.length === 0) return `Sound: every byte is as it was written (${read})\n${leftovers}`
  const shown = report.damaged.slice(0, DAMAGE_SHOWN).map(damageText).join('')
  const more = report.damaged.length - DAMAGE_SHOWN
  return `DAMAGED: ${counted(report.damaged.length, 'object')} (${read})\n${shown}${more > 0 ? `  and ${more} more: -o json lists them\n` : ''}${leftovers}`
}

function damageText({ object, problem, generations, paths }: DamagedObject): string {
  return `${object}\n${formatPairs([
    ['problem', problem],
    ['generations lost', generations.length === 0 ? 'none' : generations.map(shortId).join(' ')],
    ['paths lost', paths.length === 0 ? 'none' : paths.join(' ')],
  ])}`
}
