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
