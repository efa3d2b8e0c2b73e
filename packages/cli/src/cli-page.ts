import type { CommandSpec } from './command.ts'
import { OUTPUT_OPTIONS, optionText, shape } from './program.ts'

export const CLI_PAGE = 'docs/cli.md'

const INTRODUCTION = `# The hold command

Made from the definitions in \`packages/cli/src/commands\` by \`node tools/write-cli-page.ts\`; a test keeps both equal.

A generation is named by \`head\`, by its number, or by the beginning of its id. Results go to the standard output,
progress and failures to the standard error. A failure is one sentence and what to do next; with \`-o json\` it is
\`{"error":{"code","message","details","hint","retryable"}}\` with a code of [failures.md](failures.md).

| exit code | meaning                                                                    |
| --------- | -------------------------------------------------------------------------- |
| 0         | done                                                                       |
| 1         | it failed                                                                  |
| 2         | the command line is wrong                                                  |
| 124       | the time that was given is over; the outcome is not known yet              |
| 125       | this machine lacks something: \`hold doctor\` says what                    |
| 126, 127  | as in a shell: the command that hold runs cannot be run, or does not exist |
| other     | that of the command that hold runs (128 and its number for a signal)       |

`

/** The text of `docs/cli.md`. */
export function cliPage(specs: readonly CommandSpec[]): string {
  const index = specs.map(
    (spec) => `- [\`hold ${spec.path.join(' ')}\`](#${anchor(spec)}): ${spec.summary}\n`,
  )
  return [
    INTRODUCTION,
    `Every command has \`-h, --help\` and\n\n${optionLines(OUTPUT_OPTIONS)}\n`,
    `The commands:\n\n${index.join('')}\n`,
    specs.map(section).join('\n'),
  ].join('')
}

function anchor({ path }: CommandSpec): string {
  return ['hold', ...path].join('-')
}

function section(spec: CommandSpec): string {
  const words = ['hold', ...spec.path, ...spec.arguments.map(shape)].join(' ')
  const parts = [
    `## hold ${spec.path.join(' ')}\n`,
    `    ${words}\n`,
    `${spec.summary}.${aliasText(spec)}${spec.notes === undefined ? '' : ` ${spec.notes}`}\n`,
  ]
  const args = spec.arguments.map((argument) => `- \`${argument.name}\`: ${argument.about}\n`)
  const list = [...args, optionLines(spec.options)].join('')
  if (list !== '') parts.push(list)
  const examples = spec.examples.map(({ line, shows }) => `# ${shows}\nhold ${line}\n`)
  parts.push(`\`\`\`sh\n${examples.join('')}\`\`\`\n`)
  return parts.join('\n')
}

function aliasText({ aliases = [], isDefault, path }: CommandSpec): string {
  const also = aliases
    .map((alias) => ` \`hold ${[...path.slice(0, -1), alias].join(' ')}\` is the same.`)
    .join('')
  return isDefault ? `${also} \`hold ${path[0]}\` alone is the same.` : also
}

function optionLines(options: CommandSpec['options']): string {
  return options.map((option) => `- \`${option.flags}\`: ${optionText(option)}\n`).join('')
}
