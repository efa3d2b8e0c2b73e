import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mountAt, mountOf, mountTable, parseMountTable } from './mount-table.ts'

const TEXT = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /proc rw - proc proc rw
41 22 0:45 /ws/a/current /home/with\\040space rw,noatime master:2 - btrfs /dev/loop0 rw,subvol=/ws/a/current
42 22 0:46 / /home rw - tmpfs tmpfs ro,size=4k
43 22 0:47 /other /home/with\\040space rw - btrfs /dev/loop1 rw
a line of another shape
`

test('a mount is found by its path, with escapes undone and optional fields passed over', () => {
  const mounts = parseMountTable(TEXT)
  assert.equal(mounts.length, 5)
  assert.deepEqual(mountAt('/', mounts), {
    root: '/',
    mountPoint: '/',
    type: 'ext4',
    source: '/dev/vda',
    isReadOnly: false,
  })
  assert.equal(mountAt('/home', mounts)?.isReadOnly, true)
  assert.equal(mountAt('/home/with space', mounts)?.source, '/dev/loop1')
  assert.equal(mountAt('/home/with', mounts), undefined)
})

test('a path lies in the innermost mount above it, the newest where several cover one another', () => {
  const mounts = parseMountTable(TEXT)
  assert.equal(mountOf('/home/with space/below', mounts)?.source, '/dev/loop1')
  assert.equal(mountOf('/home/without', mounts)?.type, 'tmpfs')
  assert.equal(mountOf('/homes', mounts)?.type, 'ext4')
})

test('the table of this process names the root', () => {
  assert.equal(mountOf('/', mountTable())?.mountPoint, '/')
})
