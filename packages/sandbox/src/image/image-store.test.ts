import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { systemRandomness } from '@holdfast/base/randomness'
import { parseImageReference } from './image-reference.ts'
import { ImageStore } from './image-store.ts'
import {
  type ForgedEntry,
  type Forgery,
  forgeRegistry,
  forgeTar,
  startDockerRegistry,
} from './registry.fixture.ts'

const MIB = 1 << 20

function scratch(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-images-'))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  return home
}

function storeIn(home: string, registries: readonly string[] = ['127.0.0.1']): ImageStore {
  const folder = join(home, 'images')
  return new ImageStore({ randomness: systemRandomness, folder, bytesMax: 64 * MIB, registries })
}

async function pull(t: TestContext, layers: readonly (readonly ForgedEntry[])[], forgery?: Forgery) {
  const home = scratch(t)
  await using registry = await forgeRegistry(layers.map(forgeTar), forgery)
  const image = await storeIn(home).ensure({ kind: 'image', reference: registry.reference })
  return { ...image, home, requests: registry.requests }
}

for (const compression of ['gzip', 'zstd'] as const) {
  test(`an image of a real registry is unpacked as its makers meant (${compression})`, async (t) => {
    await using registry = await startDockerRegistry()
    const home = scratch(t)
    const layout = `${home}/layout`
    const tree = join(home, 'tree')
    mkdirSync(join(tree, 'usr/bin'), { recursive: true })
    writeFileSync(join(tree, 'usr/bin/hello'), '#!/bin/sh\necho hello\n', { mode: 0o755 })
    writeFileSync(join(tree, 'gone'), 'by the next layer')
    symlinkSync('usr/bin', join(tree, 'bin'))
    const umoci = (...words: string[]) => execFileSync('umoci', words, { stdio: 'ignore' })
    umoci('init', '--layout', layout)
    umoci('new', '--image', `${layout}:made`)
    umoci('insert', '--image', `${layout}:made`, tree, '/')
    umoci('insert', '--image', `${layout}:made`, '--whiteout', '/gone')
    umoci('config', '--image', `${layout}:made`, '--config.env', 'LEVEL=9')
    const target = `docker://${registry.host}/some/image:v1`
    const words = ['copy', '--dest-tls-verify=false', '--dest-compress-format', compression]
    execFileSync('skopeo', [...words, `oci:${layout}:made`, target], { stdio: 'ignore' })

    const store = storeIn(home)
    const reference = `${registry.host}/some/image:v1`
    const [image, same] = await Promise.all([
      store.ensure({ kind: 'image', reference }),
      store.ensure({ kind: 'image', reference }),
    ])
    assert.deepEqual(image, same)
    assert.equal(readFileSync(join(image.root, 'usr/bin/hello'), 'utf8'), '#!/bin/sh\necho hello\n')
    assert.equal(statSync(join(image.root, 'usr/bin/hello')).mode & 0o777, 0o755)
    assert.equal(readlinkSync(join(image.root, 'bin')), 'usr/bin')
    assert.equal(existsSync(join(image.root, 'gone')), false)
    assert.equal(image.environment.LEVEL, '9')
    const inspected = JSON.parse(
      execFileSync('skopeo', ['inspect', '--tls-verify=false', target], { encoding: 'utf8' }),
    ) as { Digest: string }
    assert.equal(image.digest, inspected.Digest)
  })
}

test('what is here is used without its registry, by digest', async (t) => {
  const home = scratch(t)
  const registry = await forgeRegistry([forgeTar([{ path: 'file', content: 'there' }])], { wantsToken: true })
  const { reference, digest } = registry
  await storeIn(home).ensure({ kind: 'image', reference })
  assert.ok(registry.requests.some((path) => path.startsWith('/token')))
  await registry[Symbol.asyncDispose]()
  const kept = await storeIn(home).ensure({ kind: 'image', reference, digest })
  assert.equal(readFileSync(join(kept.root, 'file'), 'utf8'), 'there')
  await assert.rejects(storeIn(home).ensure({ kind: 'image', reference }), (error) =>
    isFailure(error, 'image-unavailable'),
  )
})

test('layers cover, hide and empty what is below them, in any order of their own', async (t) => {
  const { root } = await pull(t, [
    [
      { path: 'a/', type: '5', mode: 0o700 },
      { path: 'a/old', content: 'old' },
      { path: 'b/old', content: 'old' },
      { path: 'c', content: 'a file' },
      { path: 'd/e/f', content: 'deep' },
    ],
    [
      { path: 'a/new', content: 'new' },
      { path: 'a/.wh..wh..opq' },
      { path: '.wh.b' },
      { path: 'c/', type: '5' },
      { path: 'c/in', content: 'now a directory', mode: 0o4600 },
      { path: 'd/again', type: '1', target: 'd/e/f' },
    ],
  ])
  assert.deepEqual(readdirSync(root).toSorted(), ['a', 'c', 'd'])
  assert.deepEqual(readdirSync(join(root, 'a')), ['new'])
  assert.equal(statSync(join(root, 'a')).mode & 0o777, 0o755)
  assert.equal(statSync(join(root, 'c/in')).mode & 0o7777, 0o644, 'readable, and nobody else by it')
  assert.equal(readFileSync(join(root, 'd/again'), 'utf8'), 'deep')
})

const LINK_OUT: ForgedEntry = { path: 'out', type: '2', target: '/etc' }
const HOSTILE: readonly [string, readonly (readonly ForgedEntry[])[]][] = [
  ['a path that leads up', [[{ path: '../escaped', content: 'x' }]]],
  ['a path that leads up later', [[{ path: 'a/../../escaped', content: 'x' }]]],
  ['a file below a link', [[LINK_OUT, { path: 'out/escaped', content: 'x' }]]],
  ['a file below a link of a lower layer', [[LINK_OUT], [{ path: 'out/escaped', content: 'x' }]]],
  ['a directory below a link', [[LINK_OUT, { path: 'out/escaped/', type: '5' }]]],
  ['a hard link out', [[{ path: 'shadow', type: '1', target: '../../../etc/shadow' }]]],
  ['an absolute hard link', [[{ path: 'shadow', type: '1', target: '/etc/shadow' }]]],
  ['a hard link through a link', [[LINK_OUT, { path: 'shadow', type: '1', target: 'out/shadow' }]]],
  ['a whiteout of the directory above', [[{ path: 'a/b', content: 'x' }], [{ path: 'a/.wh...' }]]],
  ['a whiteout of nothing', [[{ path: '.wh.' }]]],
  ['more bytes than may be', [[{ path: 'bomb', content: Buffer.alloc(65 * MIB) }]]],
]

for (const [name, layers] of HOSTILE)
  test(`${name} is refused, and leaves nothing`, async (t) => {
    const home = scratch(t)
    await using registry = await forgeRegistry(layers.map(forgeTar))
    const store = storeIn(home)
    await assert.rejects(store.ensure({ kind: 'image', reference: registry.reference }), (error) =>
      isFailure(error, 'image-refused'),
    )
    assert.deepEqual(readdirSync(join(home, 'images')), [])
    assert.equal(existsSync('/etc/escaped'), false)
  })

test('an absolute path is one of the image', async (t) => {
  const { root } = await pull(t, [[{ path: '/etc/escaped', content: 'x' }]])
  assert.equal(readFileSync(join(root, 'etc/escaped'), 'utf8'), 'x')
  assert.equal(existsSync('/etc/escaped'), false)
})

test('devices are left out, and links that lead out are only links', async (t) => {
  const { root } = await pull(t, [[{ path: 'disk', type: '3' }, LINK_OUT, { path: 'file', content: 'x' }]])
  assert.deepEqual(readdirSync(root).toSorted(), ['file', 'out'])
  assert.equal(readlinkSync(join(root, 'out')), '/etc')
})

test('a changed byte anywhere is refused', async (t) => {
  for (const part of ['/manifests/sha256', '/blobs/']) {
    const tamper = (path: string, bytes: Buffer) =>
      path.includes(part) ? Buffer.concat([bytes.subarray(0, -1), Buffer.from([0x20])]) : bytes
    const home = scratch(t)
    await using registry = await forgeRegistry([forgeTar([{ path: 'f', content: 'x' }])], { tamper })
    const { reference, digest } = registry
    await assert.rejects(storeIn(home).ensure({ kind: 'image', reference, digest }), (error) =>
      isFailure(error, 'image-refused'),
    )
  }
})

test('a reference names its registry, and plain http is for this machine', () => {
  const digest = `sha256:${'a'.repeat(64)}`
  assert.deepEqual(parseImageReference('registry.example:5000/team/app:v1'), {
    ...{ origin: 'https://registry.example:5000', repository: 'team/app', version: 'v1' },
  })
  assert.equal(parseImageReference(`localhost:5000/app@${digest}`).origin, 'http://localhost:5000')
  assert.equal(parseImageReference('registry.example/app').version, 'latest')
  for (const wrong of [
    'app',
    '/app',
    'host/App',
    'host/../app',
    'user@host/app',
    'host/app:',
    'host/app@sha256:1',
  ])
    assert.throws(
      () => parseImageReference(wrong),
      (error) => isFailure(error, 'invalid-argument'),
    )
})
