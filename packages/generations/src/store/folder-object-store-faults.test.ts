import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { assertSound, TracedGround } from '@holdfast/testkit/traced-ground'
import { storeCalls, syncedPaths, tracePut, unfinishedName } from '@holdfast/testkit/traced-put'

const ground = new TracedGround()
after(() => ground[Symbol.dispose]())

const needed: readonly string[] = [
  'write',
  'writev',
  'fsync',
  'mkdir,mkdirat',
  'link,linkat',
  'rename,renameat,renameat2',
]

test('a put syncs its bytes, then the folder of each new name, its own last', async () => {
  for (const start of ['absent', 'empty', 'present'] as const) {
    const put = await ground.freshPut(start)
    assert.equal(await tracePut(put), 'stored')
    const { folder } = put
    const above = dirname(folder)
    const marker = join(folder, `holdfast-store.${unfinishedName(1)}`)
    const opening = start === 'absent' ? [dirname(above), above, marker, folder, above] : []
    const bytes = join(folder, 'tmp', unfinishedName(start === 'absent' ? 2 : 1))
    const names = [folder, join(folder, 'objects'), join(folder, 'objects', 'org')]
    assert.deepEqual(await syncedPaths(put.log), [...opening, bytes, ...names])
  }
})

for (const start of ['empty', 'present'] as const) {
  test(`no write, fsync, mkdir, link or rename may fail in a put that reports success (${start})`, async () => {
    const injections = await ground.everyCall(start, needed, 'error=EIO')
    const last = start === 'present' ? 'rename' : 'link'
    assert.ok(injections.some(({ calls }) => calls.startsWith(last)))
    await ground.underEach(start, injections, async (put, outcome, injection) => {
      assert.equal(outcome, 'store-unavailable', JSON.stringify(injection))
      assert.deepEqual(readdirSync(join(put.folder, 'tmp')), [])
      await assertSound(put, outcome)
    })
  })
}

test('an open, close or unlink that fails never makes a put report success without a whole object', async () => {
  const calls = storeCalls.filter((call) => !needed.includes(call))
  await ground.underEach('empty', await ground.everyCall('empty', calls, 'error=EIO'), assertSound)
})

test('a close that fails after the bytes were written fails the put', async () => {
  const put = await ground.freshPut('empty')
  const paths = [join(put.folder, 'tmp', unfinishedName(1))]
  const outcome = await tracePut(put, { calls: 'close', effect: 'error=EIO', at: 1, paths })
  assert.equal(outcome, 'store-unavailable')
  await assertSound(put, outcome)
})

test('a put that the system refuses says why', async () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['writev', 'ENOSPC', 'store-full'],
    ['fsync', 'EDQUOT', 'store-full'],
    ['mkdir,mkdirat', 'EROFS', 'store-read-only'],
    ['link,linkat', 'EPERM', 'no-permission'],
    ['link,linkat', 'EXDEV', 'store-unsuitable'],
    ['link,linkat', 'EMLINK', 'store-unavailable'],
  ]
  for (const [calls, errno, code] of cases) {
    const put = await ground.freshPut('empty')
    const at = calls.startsWith('mkdir') ? 3 : 1
    assert.equal(await tracePut(put, { calls, effect: `error=${errno}`, at }), code, `${calls} ${errno}`)
    await assertSound(put, code)
  }
})
