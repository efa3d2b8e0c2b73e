import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { allCommands } from './commands/all-commands.ts'
import { completionScript } from './completion.ts'

const COMMANDS = await allCommands()

/** What bash offers behind the words of a command line, of which the last is being typed. */
function offered(...words: readonly string[]): string[] {
  const script = `${completionScript('bash', COMMANDS)}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hold; printf '%s\\n' "\${COMPREPLY[@]}"`
  const done = spawnSync('bash', ['-c', script, 'bash', 'hold', ...words], { encoding: 'utf8' })
  assert.equal(done.status, 0, done.stderr)
  return done.stdout.split('\n').filter((line) => line !== '')
}

test('bash completes commands, those of a group, and options', () => {
  assert.deepEqual(offered('doc'), ['doctor'])
  assert.deepEqual(offered('dir', 'hist'), ['history'])
  assert.deepEqual(offered('dir', 'history', './x', '--l'), ['--limit'])
  assert.ok(offered('dir', '').length >= 10)
})

test('every command and option is in every script', () => {
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    const script = completionScript(shell, COMMANDS)
    for (const { path, options } of COMMANDS) {
      for (const word of path) assert.ok(script.includes(word))
      for (const { flags } of options) {
        const long = /--([a-z-]+)/.exec(flags)?.[1]
        assert.ok(long && script.includes(long), `${shell} lacks ${flags}`)
      }
    }
  }
})
