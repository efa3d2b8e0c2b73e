import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { WriterLock } from './writer-lock.ts'

describe('the writer lock', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-lock-'))
  })

  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const isHeldBy = (pid: number) => (error: unknown) =>
    isFailure(error, 'lease-held') && error.details.pid === String(pid)

  test('is held by one, who is named, until it is given back', () => {
    {
      using _held = WriterLock.take(folder)
      assert.throws(() => WriterLock.take(folder), isHeldBy(process.pid))
    }
    using again = WriterLock.take(folder)
    assert.ok(again)
  })

  test('ends with the process that held it, also with kill -9', async () => {
    const module = new URL('./writer-lock.ts', import.meta.url).href
    const code = `import { WriterLock } from '${module}'
      globalThis.lock = WriterLock.take(process.argv[1]); console.log('held'); setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', code, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    assert.throws(() => WriterLock.take(folder), isHeldBy(child.pid ?? 0))
    child.kill('SIGKILL')
    await once(child, 'exit')
    using again = WriterLock.take(folder)
    assert.ok(again)
  })

  test('that cannot be taken for another reason does not say that someone holds it', () => {
    writeFileSync(join(folder, 'writer.lock'), 'not a database at all, '.repeat(100))
    assert.throws(
      () => WriterLock.take(folder),
      (error) => isFailure(error, 'history-corrupt'),
    )
    assert.throws(
      () => WriterLock.take(join(folder, 'absent')),
      (error) => isFailure(error, 'no-permission'),
    )
  })
})
