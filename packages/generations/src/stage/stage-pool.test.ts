import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { enableCompileCache, getCompileCacheDir } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { present } from '@holdfast/base/assert'
import { StagePool } from './stage-pool.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-pool-'))
after(() => rmSync(folder, { recursive: true, force: true }))

test('a staging thread keeps compiled code where its process does', async () => {
  enableCompileCache(folder)
  const compiled = () => readdirSync(present(getCompileCacheDir(), 'a compile cache'))
  assert.deepEqual(compiled(), [])
  await using pool = new StagePool(1)
  const [thread] = pool.threads()
  await assert.rejects(present(thread, 'a thread').request({ kind: 'close' }), { code: 'internal' })
  await thread?.stop()
  assert.ok(compiled().length > 0)
})

test('commits that stage at the same time have the threads one after another', async () => {
  await using pool = new StagePool(1)
  const seen: string[] = []
  const stage = (name: string, fails: boolean) =>
    pool.lend(async ([thread]) => {
      seen.push(`${name} begins`)
      await present(thread, 'a thread')
        .request({ kind: 'close' })
        .catch(() => {})
      seen.push(`${name} ends`)
      if (fails) throw new Error(name)
    })
  const first = stage('first', true)
  await Promise.all([assert.rejects(first, { message: 'first' }), stage('second', false)])
  assert.deepEqual(seen, ['first begins', 'first ends', 'second begins', 'second ends'])
})
