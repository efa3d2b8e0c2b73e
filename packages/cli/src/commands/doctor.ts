import type { CommandSpec } from '../command.ts'
import { searchPath } from '../config.ts'
import { examineMachine } from '../doctor/examine-machine.ts'
import type { Finding } from '../doctor/finding.ts'
import { judgeMachine, type Verdict, verdictOf } from '../doctor/findings.ts'
import { fixesOf, mend } from '../doctor/mend-machine.ts'
import { EXIT } from '../exit-codes.ts'
import type { Context } from '../open-context.ts'
import type { Output } from '../output/output.ts'
import { formatTable } from '../output/table.ts'

export const doctorCommand: CommandSpec = {
  path: ['doctor'],
  summary: 'Say what this machine can do, what is missing, and how to mend it',
  notes: 'Ends with 125 when something is missing without which hold does not work.',
  arguments: [],
  options: [
    {
      flags: '--fix',
      about: 'install missing packages (as root), build the native companion, thaw what stands still',
    },
  ],
  examples: [
    { line: 'doctor', shows: 'what there is and what it gives' },
    { line: 'doctor --fix', shows: 'mend what can be mended, then look again' },
  ],
  async run(context, given) {
    let examined = await examine(context)
    if (given.has('fix')) {
      const announce = (line: string) => context.output.note(`hold: ${line}`)
      const fixes = fixesOf(examined.findings)
      if (fixes.length === 0) announce('nothing here that --fix can mend')
      for (const fix of fixes)
        await mend(fix, { searchPath: searchPath(context.environment), clock: context.clock, announce })
      if (fixes.length > 0) examined = await examine(context)
    }
    const { findings, verdict } = examined
    await context.output.show({
      text: () => describe(findings, verdict, context.output),
      json: () => ({ ...verdict, findings: findings.map(findingJson) }),
      ids: () => findings.filter(({ state }) => state !== 'ok').map(({ name }) => name),
    })
    return verdict.works ? EXIT.ok : EXIT.platform
  },
}

async function examine(context: Context): Promise<{ findings: Finding[]; verdict: Verdict }> {
  const facts = await examineMachine({
    home: context.config.home.value,
    searchPath: searchPath(context.environment),
    isRoot: context.isRoot,
    clock: context.clock,
    randomness: context.randomness,
  })
  const findings = judgeMachine(facts)
  return { findings, verdict: verdictOf(facts, findings) }
}

const WORDS: Readonly<Record<Finding['state'], string>> = { ok: 'ok', lacking: 'less', missing: 'MISSING' }

function describe(findings: readonly Finding[], verdict: Verdict, output: Output): string {
  const table = formatTable<Finding>(
    [
      { title: '', cell: ({ state }) => WORDS[state] },
      { title: 'WHAT', cell: ({ name }) => name },
      { title: 'FOUND', cell: ({ found }) => found },
      { title: 'WHAT FOR', shrinks: true, cell: ({ gives }) => gives },
    ],
    findings,
    output,
  )
  const mends = findings.flatMap(({ name, mend }) => (mend ? [`  ${name}: ${mend.line}\n`] : []))
  const toDo = mends.length === 0 ? '' : `\nTo mend it:\n${mends.join('')}`
  return `${table}${toDo}\n${verdictText(verdict)}\n`
}

function verdictText({ sandboxes, volume, consistency, works }: Verdict): string {
  if (!works) return 'hold does not work here until what is MISSING is mended (`hold doctor --fix` tries).'
  const volumes =
    volume === 'btrfs'
      ? 'btrfs volumes (captured in milliseconds) and live ones'
      : 'live volumes (captured by reading what changed)'
  const consistencies =
    consistency === 'cut'
      ? 'what runs under `hold dir watch DIR -- CMD` is kept as one cut of databases and files'
      : 'each database is consistent by itself'
  return `This machine gives ${volumes}; ${consistencies}.\n${sandboxes}`
}

function findingJson({ name, state, found, gives, mend }: Finding): Record<string, unknown> {
  return { name, state, found, gives, mend: mend?.line ?? null }
}
