import { Argument, Command, Option } from 'commander'
import { type ArgumentSpec, type CommandSpec, Given, type OptionSpec } from './command.ts'

/** Options that every command has. */
export const OUTPUT_OPTIONS: readonly OptionSpec[] = [
  {
    flags: '-o, --output <FORM>',
    about: 'form of the result',
    otherwise: 'table',
    choices: ['table', 'wide', 'json', 'yaml', 'name'],
  },
  { flags: '-q, --quiet', about: 'print only what names things, one a line' },
]

/** Commands that only group others. */
export const GROUPS: Readonly<Record<string, string>> = {
  files: 'Read and change the files of a workspace',
  services: 'Keep commands of a workspace running',
  hosts: 'See the machines that run workspaces, and empty them',
  keys: 'Make and withdraw the keys of this server',
  audit: 'See who did what, and prove that no row was changed',
  dir: 'Give a directory a durable history, without a server',
}

const INTRODUCTION = 'Durable, governed workspaces for AI agents.'

const TOP_EXAMPLES = `
Examples:
  hold create box                      a workspace
  hold exec box -- make                run a command in it
  hold shell box                       work in it
  hold checkpoint box -m 'it works'    name its state; hold rollback box head goes back to it
  hold doctor                          what this machine can do, and what is missing
  hold dir init ./project              begin a history for a directory
  hold dir watch ./project -- make     run a command, commit what it writes about every second
  hold dir history ./project           list the generations

Exit codes: 0 ok, 1 failure, 2 usage, 124 timeout, 125 something is missing on this machine; a command that hold
runs passes its own on.
HOLDFAST_URL and HOLDFAST_API_KEY name the server; on the machine of \`hold up\` both are found by themselves.`

/** Builds the parser of the command line; `run` is called with the command that was chosen. */
export function buildProgram(
  specs: readonly CommandSpec[],
  run: (spec: CommandSpec, given: Given) => Promise<void>,
): Command {
  const program = configure(new Command('hold').description(INTRODUCTION))
  program.usage('COMMAND').addHelpText('after', TOP_EXAMPLES)
  const groups = new Map<string, Command>()
  for (const spec of specs) {
    const [first = '', second] = spec.path
    let parent = program
    if (second !== undefined) {
      parent = groups.get(first) ?? configure(new Command(first).description(GROUPS[first] ?? ''))
      if (!groups.has(first)) program.addCommand(parent)
      groups.set(first, parent)
    }
    parent.addCommand(buildCommand(spec, run), { isDefault: spec.isDefault ?? false })
  }
  return program
}

function buildCommand(spec: CommandSpec, run: (spec: CommandSpec, given: Given) => Promise<void>): Command {
  const command = configure(new Command(spec.path.at(-1)).summary(spec.summary))
  command.description(spec.notes === undefined ? spec.summary : `${spec.summary}.\n\n${spec.notes}`)
  command.aliases([...(spec.aliases ?? [])])
  for (const argument of spec.arguments) command.addArgument(new Argument(shape(argument), argument.about))
  for (const option of [...spec.options, ...OUTPUT_OPTIONS]) command.addOption(buildOption(option))
  command.addHelpText('after', examplesText(spec))
  return command.action(async (...passed: unknown[]) => {
    const values = new Map(spec.arguments.map((argument, index) => [argument.name, passed[index]]))
    await run(spec, new Given(values, command.opts()))
  })
}

/** `<DIR>`, `[PATH]` or `[CMD...]`. */
export function shape({ name, presence }: ArgumentSpec): string {
  if (presence === 'required') return `<${name}>`
  return presence === 'optional' ? `[${name}]` : `[${name}...]`
}

/** What an option does, with what happens without it. */
export function optionText({ about, otherwise }: OptionSpec): string {
  return otherwise === undefined ? about : `${about} (default: ${otherwise})`
}

function buildOption(spec: OptionSpec): Option {
  const option = new Option(spec.flags, optionText(spec))
  if (spec.repeats) option.argParser((value, before: string[] = []) => [...before, value])
  return spec.choices ? option.choices(spec.choices) : option
}

function examplesText({ examples }: CommandSpec): string {
  const lines = examples.map(({ line, shows }) => `  hold ${line}\n      ${shows}`)
  return `\nExamples:\n${lines.join('\n')}`
}

/** A parser that throws where commander would end the process, and prints nothing but help. */
function configure(command: Command): Command {
  return command
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .showSuggestionAfterError()
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
}
