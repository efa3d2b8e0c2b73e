import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'

test('the client loads no schemas: they are types here, and 60 ms of every start', () => {
  const script = `
    const loaded = []
    const { registerHooks } = await import('node:module')
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
    await import('@holdfast/client/environment')
    console.log(loaded.join('\\n'))`
  const words = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script]
  const loaded = execFileSync(process.execPath, words, { cwd: import.meta.dirname, encoding: 'utf8' })
  assert.match(loaded, /holdfast\.ts/)
  assert.ok(!loaded.includes('/zod/'), loaded)
})
