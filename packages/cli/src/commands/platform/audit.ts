import type { CommandSpec } from '../../command.ts'
import { EXIT } from '../../exit-codes.ts'
import { documentOf } from '../../output/document.ts'
import { formatCount } from '../../output/quantities.ts'
import { parseCount } from '../../parameters.ts'
import { eventLine } from '../workspace/event-forms.ts'

const LIMIT_DEFAULT = 100
const LIMIT_MAX = 1_000_000

export const auditListCommand: CommandSpec = {
  path: ['audit', 'ls'],
  isDefault: true,
  summary: 'List who did what, newest first',
  arguments: [],
  options: [{ flags: '--limit <N>', about: 'at most so many', otherwise: String(LIMIT_DEFAULT) }],
  examples: [{ line: 'audit ls -o json', shows: 'one JSON document a line' }],
  async run(context, given) {
    const limit = parseCount('--limit', given.option('limit') ?? String(LIMIT_DEFAULT), {
      min: 1,
      max: LIMIT_MAX,
    })
    let shown = 0
    for await (const row of (await context.server()).platform.audit()) {
      if (++shown > limit) break
      await context.output.write(eventLine(row, context.output.mode))
    }
    return undefined
  },
}

export const auditVerifyCommand: CommandSpec = {
  path: ['audit', 'verify'],
  summary: 'Prove that no row of the audit was changed, dropped, moved or cut off',
  arguments: [],
  options: [],
  examples: [{ line: 'audit verify', shows: 'exits with 1 where one was' }],
  async run(context) {
    const verified = await (await context.server()).platform.verifyAudit()
    const { rows, outcome, brokenAt, detail, headHash } = verified
    await context.output.show({
      text: () =>
        outcome === 'whole'
          ? `Whole: ${formatCount(rows)} rows, head ${headHash}\n`
          : `Broken at row ${brokenAt ?? 'unknown'}: ${detail}\n`,
      json: () => documentOf(verified),
      ids: () => [headHash],
    })
    return outcome === 'whole' ? EXIT.ok : EXIT.failure
  },
}
