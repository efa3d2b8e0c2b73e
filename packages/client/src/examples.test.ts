import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startApiDouble } from '@holdfast/testkit/api-double'

const EXAMPLES = new URL('../../../examples/sdk/', import.meta.url)
const run = promisify(execFile)

/** What each example prints, so that it cannot run without doing what it says. */
const PRINTED: Readonly<Record<string, RegExp>> = {
  'commands.mts': /^0 .*building\nexited 2\nstdout 1/s,
  'checkpoint-and-fork.mts': /^careful\n(ws_ careful\n){3}$/,
  'failures.mts': /^not-found false .*\n1 broken\nTimeoutError\n$/,
}

for (const [name, printed] of Object.entries(PRINTED)) {
  test(`examples/sdk/${name} does what it says`, { timeout: 30_000 }, async () => {
    await using double = await startApiDouble()
    const path = fileURLToPath(new URL(name, EXAMPLES))
    const { stdout } = await run(process.execPath, [path], {
      timeout: 20_000,
      env: { PATH: process.env.PATH, HOLDFAST_URL: double.url, HOLDFAST_API_KEY: double.apiKey },
    })
    assert.match(stdout, printed)
  })
}

test('the README shows an example as it is run', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const [, shown = ''] = /```ts\n(.*?)```/s.exec(readme) ?? []
  const whole = readFileSync(new URL('commands.mts', EXAMPLES), 'utf8')
  assert.ok(
    shown.length > 200 && whole.includes(shown.trim()),
    'README.md and examples/sdk/commands.mts differ',
  )
})
