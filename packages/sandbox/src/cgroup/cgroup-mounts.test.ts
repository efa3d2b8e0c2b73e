import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cgroupDirectories, namedCgroup, parseCgroupMounts, UNIFIED } from './cgroup-mounts.ts'

const HYBRID = [
  '27 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
  '33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct',
  '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory',
  '37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer',
  '40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd',
  '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw',
].join('\n')

test('a hybrid has a directory for each controller of version 1, and one of version 2', () => {
  const own = '6:freezer:/holdfast/x\n4:memory:/deep/holdfast/x\n2:cpu,cpuacct:/holdfast/x\n0::/holdfast/x\n'
  const found = cgroupDirectories(own, parseCgroupMounts(HYBRID))
  assert.deepEqual(Object.fromEntries(found), {
    freezer: '/sys/fs/cgroup/freezer/holdfast/x',
    memory: '/sys/fs/cgroup/memory/deep/holdfast/x',
    cpu: '/sys/fs/cgroup/cpu,cpuacct/holdfast/x',
    cpuacct: '/sys/fs/cgroup/cpu,cpuacct/holdfast/x',
    '': '/sys/fs/cgroup/unified/holdfast/x',
  })
})

test('version 2 alone has one directory', () => {
  const mounts = parseCgroupMounts('30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate')
  const found = cgroupDirectories('0::/holdfast/x\n', mounts)
  assert.deepEqual([...found], [[UNIFIED, '/sys/fs/cgroup/holdfast/x']])
  assert.deepEqual([...namedCgroup('/holdfast/y', mounts)], [[UNIFIED, '/sys/fs/cgroup/holdfast/y']])
})

test('in a container, paths are read from where the mount begins', () => {
  const mounts = parseCgroupMounts('35 31 0:32 /docker/c /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory')
  assert.equal(
    cgroupDirectories('4:memory:/docker/c/holdfast/x', mounts).get('memory'),
    '/sys/fs/cgroup/memory/holdfast/x',
  )
  assert.equal(
    cgroupDirectories('4:memory:/docker/cd', mounts).get('memory'),
    '/sys/fs/cgroup/memory/docker/cd',
  )
})
