import { Failure } from '@holdfast/base/failure'
import { type Command, CommanderError } from 'commander'
import { chooseRows, loadCommands } from './choose-commands.ts'
import { COMMAND_ROWS } from './commands/all-commands.ts'
import { parseConfig } from './config.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import { Context, type Ground } from './open-context.ts'
import { asFailure, failureStack } from './output/failure.ts'
import { Output, type OutputMode, type OutputStream } from './output/output.ts'
import { buildProgram, GROUPS } from './program.ts'

export interface CliGround extends Ground {
  readonly stdout: OutputStream
  readonly stderr: OutputStream
}

/** Runs one command line (without `node` and the script). Resolves with the exit code and never rejects. */
export async function runCli(words: readonly string[], ground: CliGround): Promise<number> {
  const output = new Output(ground, {
    mode: modeOf(words),
    colours: !ground.environment.NO_COLOR,
  })
  let exitCode: number = EXIT.ok
  const specs = await loadCommands(chooseRows(COMMAND_ROWS, words))
  const program = buildProgram(specs, async (spec, given) => {
    const config = parseConfig(ground.environment, ground)
    await using context = new Context({ ...ground, config, output })
    exitCode = (await spec.run(context, given)) ?? EXIT.ok
  })
  sendHelp(program, ground)
  try {
    await program.parseAsync([...words], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return reportUsage(error, words, output)
    const failure = asFailure(error)
    output.showFailure(failure)
    if (ground.environment.HOLDFAST_DEBUG) output.writeError(failureStack(error))
    return exitCodeOf(failure)
  }
}

const MODES: Readonly<Record<string, OutputMode>> = {
  table: 'text',
  wide: 'wide',
  json: 'json',
  yaml: 'yaml',
  name: 'names',
}

/** The form of output that the words ask for, known before they are parsed so that a wrong word is told in it. */
function modeOf(words: readonly string[]): OutputMode {
  const end = words.indexOf('--')
  const own = end < 0 ? words : words.slice(0, end)
  const named = own.flatMap((word, index) => {
    const glued = /^(?:-o|--output=)(.+)$/.exec(word)?.[1]
    return glued ?? (word === '-o' || word === '--output' ? (own[index + 1] ?? []) : [])
  })
  const asked = MODES[named.at(-1) ?? '']
  if (asked !== undefined && asked !== 'text') return asked
  return own.some((word) => word === '-q' || word === '--quiet') ? 'ids' : 'text'
}

function sendHelp(command: Command, ground: CliGround): void {
  command.configureOutput({
    ...command.configureOutput(),
    writeOut: (text) => void ground.stdout.write(text),
    writeErr: (text) => void ground.stderr.write(text),
    getOutHelpWidth: () => ground.stdout.columns ?? HELP_COLUMNS,
    getErrHelpWidth: () => ground.stderr.columns ?? HELP_COLUMNS,
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  })
  for (const child of command.commands) sendHelp(child, ground)
}

const HELP_COLUMNS = 100

/** Help was printed by the parser; anything else is told like every failure, and exits with 2. */
function reportUsage(error: CommanderError, words: readonly string[], output: Output): number {
  if (error.code === 'commander.help' || error.code === 'commander.helpDisplayed') {
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  }
  const [first = '', ...more] = error.message.replace(/^error: /, '').split('\n')
  const named = COMMAND_ROWS.map((row) => row.words.split(' ')).find((path) =>
    path.every((part, index) => words[index] === part),
  )
  const group = words.slice(0, 1).filter((word) => word in GROUPS)
  const help = `hold ${[...(named ?? group), '--help'].join(' ')}`
  const suggestion = more.join(' ').replace(/^\(|\)$/g, '')
  output.showFailure(
    new Failure('invalid-argument', `${[first, suggestion].filter(Boolean).join('; ')} (see \`${help}\`)`),
  )
  return EXIT.usage
}
