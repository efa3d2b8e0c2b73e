import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { chooseRows } from './choose-commands.ts'
import { CLI_PAGE, cliPage } from './cli-page.ts'
import type { CommandSpec } from './command.ts'
import { allCommands, COMMAND_ROWS } from './commands/all-commands.ts'
import { buildProgram, GROUPS } from './program.ts'
import { Workbench } from './workbench.fixture.ts'

const COMMANDS = await allCommands()

/** What users are told they can type, beside `hold dir …`. */
const PROMISED =
  'up server doctor config create exec shell ls inspect logs history checkpoint diff rollback fork handoff lineage sync ' +
  'stop resume restart rm archive unarchive export import cp files expose url port-forward services deploy audit ' +
  'hosts keys drill events api completion version'

const nameOf = ({ path }: CommandSpec) => path.join(' ')

/** The words of an example as a shell would pass them, up to a redirection or a pipe. */
function wordsOf(line: string): string[] {
  const [command = ''] = line.split(/ [<>|] /)
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
  const groups = new Map<string, string>()
  for (const name of Object.keys(GROUPS)) groups.set(name, (await bench.hold(name, '--help')).stdout)
  for (const spec of COMMANDS) {
    const { exitCode, stdout } = await bench.hold(...spec.path, '--help')
    assert.equal(exitCode, 0)
    for (const { line } of spec.examples) assert.ok(stdout.includes(`hold ${line}`), line)
    for (const { name } of spec.arguments) assert.ok(stdout.includes(name), `${nameOf(spec)} ${name}`)
    const listed = spec.path.length === 1 ? top : (groups.get(spec.path[0] ?? '') ?? '')
    assert.match(listed, new RegExp(`^ {2}${spec.path.at(-1)}\\b`, 'm'), nameOf(spec))
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

test('each row of the list loads the command that it names, by its name or another one of it', async () => {
  for (const row of COMMAND_ROWS) {
    const { path, aliases = [] } = await row.load()
    const names = [path, ...aliases.map((alias) => [...path.slice(0, -1), alias])].map((each) =>
      each.join(' '),
    )
    assert.ok(names.includes(row.words), row.words)
  }
})

test('a command line loads no more than the commands that it may mean', () => {
  const chosen = (...words: readonly string[]) => chooseRows(COMMAND_ROWS, words).map((row) => row.words)
  assert.deepEqual(chosen('exec', 'box', '--', 'ls'), ['exec'])
  assert.deepEqual(chosen('dir', 'ls', 'x'), ['dir ls'])
  assert.deepEqual(chosen('hosts', '-q'), ['hosts ls', 'hosts drain'])
  assert.equal(chosen('lss').length, COMMAND_ROWS.length)
})

test('what users are told they can type is what there is', () => {
  const top = new Set(COMMANDS.map(({ path }) => path[0] ?? '').filter((name) => name !== 'dir'))
  assert.deepEqual([...top].toSorted(), PROMISED.split(' ').toSorted())
  assert.deepEqual(COMMANDS.find(({ path }) => path[0] === 'ls')?.aliases, ['ps'])
})
