import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { DatabaseCache } from './database-cache.ts'

class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'holdfast-cache-'));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

test('what several want at once is made once, and a making that fails leaves nothing', async () => {
  using folder = new Folder()
  const cache = new DatabaseCache(folder.path, 100)
  let made = 0
  const wanted = { key: 'a', bytes: 60 }
  const fill = async (directory: string) => {
    made++
    writeFileSync(join(directory, 'database'), '')
  }
  const [one, two] = await Promise.all([cache.hold(wanted, fill), cache.hold(wanted, fill)])
  assert.equal(one.directory, two.directory)
  assert.equal(made, 1)
  one[Symbol.dispose]()
  two[Symbol.dispose]()
  const fails = () => cache.hold({ key: 'b', bytes: 100 }, () => Promise.reject(new Error('no store')))
  const both = await Promise.allSettled([fails(), fails()])
  assert.deepEqual(
    both.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  assert.equal(cache.bytes, 0)
  assert.deepEqual(readdirSync(folder.path), [])
})

test('what is in use stays, and what finds no room beside it is refused', async () => {
  using folder = new Folder()
  const cache = new DatabaseCache(folder.path, 100)
  const hold = (key: string, bytes: number) => cache.hold({ key, bytes }, async () => {})
  const used = await hold('a', 60)
  ;(await hold('b', 40))[Symbol.dispose]()
  await assert.rejects(hold('c', 50), (error) => isFailure(error, 'overloaded'))
  await assert.rejects(hold('d', 101), (error) => isFailure(error, 'too-large'))
  assert.equal(readdirSync(folder.path).length, 1, 'b made room in vain')
  used[Symbol.dispose]()
  ;(await hold('c', 50))[Symbol.dispose]()
  assert.equal(cache.bytes, 50)
  new DatabaseCache(folder.path, 100)
  assert.deepEqual(readdirSync(folder.path), [], 'a new process begins with nothing')
})
