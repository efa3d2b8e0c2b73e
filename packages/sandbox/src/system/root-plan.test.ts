import assert from 'node:assert/strict'
import { test } from 'node:test'
import { directoryPlan, type HostLook, machinePlan } from './root-plan.ts'

/** Paths with where they lead, or null for a directory and '' for a file. */
function host(entries: Readonly<Record<string, string | null>>): HostLook {
  return {
    kindOf: (path) => {
      const entry = entries[path]
      return entry === undefined ? 'absent' : entry === null ? 'directory' : entry === '' ? 'file' : 'link'
    },
    linkTarget: (path) => entries[path] ?? '',
    list: (directory) =>
      Object.keys(entries).flatMap((path) => {
        const [first, ...rest] = path.slice(directory.length + 1).split('/')
        return path.startsWith(`${directory}/`) && rest.length === 0 ? [first ?? ''] : []
      }),
  }
}

test('the machine is its /usr, without /usr/local, and an /etc that tells nothing of it', () => {
  const plan = machinePlan(
    host({
      '/usr': null,
      '/usr/local': null,
      '/bin': 'usr/bin',
      '/lib64': 'usr/lib64',
      '/etc/ssl/certs': null,
      '/etc/ld.so.cache': '',
      '/etc/localtime': '/usr/share/zoneinfo/Etc/UTC',
      '/etc/shadow': '',
      '/root': null,
    }),
  )
  assert.deepEqual(
    plan.binds.map(({ target, kind }) => `${kind} ${target}`),
    ['directory /usr', 'directory /etc/ssl/certs', 'file /etc/ld.so.cache', 'file /etc/localtime'],
  )
  assert.deepEqual(plan.links, { '/bin': 'usr/bin', '/lib64': 'usr/lib64', '/etc/mtab': '/proc/self/mounts' })
  assert.deepEqual(plan.hidden, ['/usr/local'])
  assert.match(plan.files['/etc/passwd'] ?? '', /^user:x:1000:1000:user:\/home\/user:/m)
  assert.equal(plan.files['/etc/resolv.conf'], '')
})

test('a machine whose /bin is a directory of its own shows it too', () => {
  const plan = machinePlan(host({ '/usr': null, '/bin': null }))
  assert.deepEqual(
    plan.binds.map(({ target }) => target),
    ['/usr', '/bin'],
  )
  assert.deepEqual(plan.hidden, [])
})

test('of a directory every entry is shown but those that the runtime makes, and links stay links', () => {
  const plan = directoryPlan(
    host({
      '/srv/image/usr': null,
      '/srv/image/etc': null,
      '/srv/image/bin': 'usr/bin',
      '/srv/image/escape': '/etc/shadow',
      '/srv/image/proc': null,
      '/srv/image/home': null,
      '/srv/image/run': null,
      '/srv/image/file': '',
    }),
    '/srv/image',
  )
  assert.deepEqual(
    plan.binds.map(({ source, target }) => [source, target]),
    [
      ['/srv/image/usr', '/usr'],
      ['/srv/image/etc', '/etc'],
      ['/srv/image/file', '/file'],
    ],
  )
  assert.deepEqual(plan.links, { '/bin': 'usr/bin', '/escape': '/etc/shadow' })
  assert.ok(plan.directories.includes('/workspace'))
})
