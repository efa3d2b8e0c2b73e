import type { CommandSpec } from '../../command.ts'
import { formatTable } from '../../output/table.ts'
import { parseCount } from '../../parameters.ts'
import { GENERATION_COLUMNS, generationJson } from './generation-forms.ts'
import { DIR } from './parameters-of-dir.ts'

const LIMIT_DEFAULT = 20
const LIMIT_MAX = 100_000

export const historyCommand: CommandSpec = {
  path: ['dir', 'history'],
  summary: 'List the generations of a directory, newest first',
  arguments: [DIR],
  options: [{ flags: '--limit <N>', about: 'at most so many', otherwise: String(LIMIT_DEFAULT) }],
  examples: [
    { line: 'dir history ./project', shows: 'the newest twenty' },
    { line: 'dir history ./project --limit 1 -q', shows: 'the id of the newest, for a script' },
  ],
  async run(context, given) {
    const limit = parseCount('--limit', given.option('limit') ?? String(LIMIT_DEFAULT), {
      min: 1,
      max: LIMIT_MAX,
    })
    const directory = await context.directory(given.argument('DIR'), 'reading')
    const found = await directory.history(limit + 1)
    const rows = found.slice(0, limit)
    const { output } = context
    await output.show({
      text: () =>
        rows.length === 0
          ? `No generation yet: \`hold dir commit ${directory.config.path}\` makes the first.\n`
          : formatTable(GENERATION_COLUMNS, rows, output),
      json: () => rows.map(generationJson),
      ids: () => rows.map((row) => row.id),
    })
    if (found.length > limit) output.note(`There are older ones: --limit ${limit * 10} lists more.`)
    return undefined
  },
}
