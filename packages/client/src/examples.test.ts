import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { startApiDouble } from '@holdfast/testkit/api-double'
import { runExample, SDK_EXAMPLES } from '@holdfast/testkit/sdk-examples'

const EXAMPLES = new URL('../../../examples/sdk/', import.meta.url)

for (const name of Object.keys(SDK_EXAMPLES)) {
  test(`examples/sdk/${name} does what it says`, { timeout: 30_000 }, async () => {
    await using double = await startApiDouble()
    await runExample(name, double)
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
