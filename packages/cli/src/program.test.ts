import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { CLI_PAGE, cliPage } from './cli-page.ts'
import type { CommandSpec } from './command.ts'
import { allCommands } from './commands/all-commands.ts'
import { buildProgram } from './program.ts'
import { Workbench } from './workbench.fixture.ts'

const COMMANDS = await allCommands()

const nameOf = ({ path }: CommandSpec) => path.join(' ')

/** The words of an example as a shell would pass them, up to a redirection or a pipe. */
function wordsOf(line: string): string[] {
  const [command = ''] = line.split(/ [>|] /)
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
}

test('every command has an example that hold takes', async () => {
  for (const spec of COMMANDS) {
    const [first] = spec.examples
    assert.ok(first.line.startsWith(nameOf(spec)), nameOf(spec))
    for (const example of spec.examples) {
      let chosen: CommandSpec | undefined
      const program = buildProgram(COMMANDS, async (found) => {
        chosen = found
      })
      await program.parseAsync(wordsOf(example.line), { from: 'user' })
      assert.equal(chosen, spec, example.line)
    }
  }
})

test('help shows every command with its example, and what each argument is', async () => {
  using bench = new Workbench()
  const { stdout: top } = await bench.hold('--help')
  const { stdout: group } = await bench.hold('dir', '--help')
  for (const spec of COMMANDS) {
    const { exitCode, stdout } = await bench.hold(...spec.path, '--help')
    assert.equal(exitCode, 0)
    for (const { line } of spec.examples) assert.ok(stdout.includes(`hold ${line}`), line)
    for (const { name } of spec.arguments) assert.ok(stdout.includes(name))
    const listed = spec.path.length === 1 ? top : group
    assert.match(listed, new RegExp(`^ {2}${spec.path.at(-1)}\\b`, 'm'))
  }
})

test('names are used once, and each option says what it does', () => {
  assert.equal(new Set(COMMANDS.map(nameOf)).size, COMMANDS.length)
  for (const spec of COMMANDS) {
    const flags = spec.options.map((option) => option.flags)
    assert.equal(new Set(flags).size, flags.length, nameOf(spec))
    assert.ok(spec.options.every((option) => option.about.length > 0))
    assert.ok(
      !flags.some((each) => /^-[oqh],/.test(each)),
      `${nameOf(spec)} takes a letter that every command has`,
    )
  }
})

test('docs/cli.md is made of the definitions (node tools/write-cli-page.ts writes it)', () => {
  assert.equal(readFileSync(new URL(`../../../${CLI_PAGE}`, import.meta.url), 'utf8'), cliPage(COMMANDS))
})
