import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { enableCompileCache, getCompileCacheDir } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startThread } from './start-thread.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-thread-'))
after(() => rmSync(folder, { recursive: true, force: true }))

async function firstMessage(): Promise<unknown> {
  const main = new URL('./compiled-code.fixture.ts', import.meta.url)
  const thread = startThread(main, { workerData: 'its own' })
  const [message] = await once(thread, 'message')
  await thread.terminate()
  return message
}

test('a thread keeps no compiled code where its process keeps none', async () => {
  assert.deepEqual(await firstMessage(), { folder: undefined, workerData: 'its own' })
})

test('a thread takes compiled code from where its process keeps it', async () => {
  enableCompileCache(folder)
  assert.deepEqual(await firstMessage(), { folder: getCompileCacheDir(), workerData: 'its own' })
})
