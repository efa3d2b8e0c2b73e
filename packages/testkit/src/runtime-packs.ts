import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import type { LocalPack } from '@holdfast/sandbox/pack/local-pack'
import { makePackPlaces } from '@holdfast/sandbox/pack/make-pack-places'
import { type RuntimeBench, run, type Trial, tryRuntime } from './runtime-bench.ts'

export function packPromises(bench: RuntimeBench): void {
  if (!bench.hasPacks) {
    test('packs are refused where nothing can be mounted', async (t) => {
      const trial = tryRuntime(t, bench)
      await assert.rejects(trial.start({ packs: [packOf(trial, 'tools')] }), (error) =>
        isFailure(error, 'invalid-argument'),
      )
    })
    return
  }

  test('packs are shown read-only at their names, and nothing of them is in the volume', async (t) => {
    const trial = tryRuntime(t, bench)
    const volumePath = trial.volume()
    const packs = [packOf(trial, 'tools'), packOf(trial, 'more.1')]
    await using sandbox = await trial.start({ packs, volumePath })
    const ran = await run(sandbox, 'cat packs/tools/guide packs/more.1/guide; packs/tools/run; echo a > own')
    assert.equal(ran.stdout, 'of tools\nof more.1\nran tools\n', ran.stderr)
    assert.deepEqual(readdirSync(join(volumePath, 'packs')), ['more.1', 'tools'])
    assert.deepEqual(readdirSync(join(volumePath, 'packs', 'tools')), [])
    assert.equal(readFileSync(join(volumePath, 'own'), 'utf8'), 'a\n')
  })

  for (const user of bench.hasRoot ? (['user', 'root'] as const) : (['user'] as const))
    test(`a guest changes nothing of a pack, and cannot take it away (as ${user})`, async (t) => {
      const trial = tryRuntime(t, bench)
      const pack = packOf(trial, 'tools')
      await using sandbox = await trial.start({ packs: [pack], spec: { allowRoot: user === 'root' } })
      const attempts = [
        ...['echo x > packs/tools/guide', 'touch packs/tools/new', 'rm -f packs/tools/guide'],
        ...['chmod 777 packs/tools/guide', 'mv packs/tools packs/other', 'rmdir packs/tools'],
        ...['umount packs/tools', 'mount -o remount,rw packs/tools', 'ln packs/tools/guide hard'],
      ]
      const line = attempts.map((attempt) => `(${attempt}) 2>/dev/null && echo "done: ${attempt}"`).join('\n')
      const ran = await run(sandbox, `${line}\ncat packs/tools/guide`, { user })
      assert.equal(ran.stdout, 'of tools\n')
      assert.deepEqual(readdirSync(pack.root).toSorted(), ['guide', 'run'])
      assert.equal(readFileSync(join(pack.root, 'guide'), 'utf8'), 'of tools\n')
      assert.equal(lstatSync(join(pack.root, 'guide')).mode & 0o777, 0o444)
    })

  test('what a guest has left where a pack goes is set aside, and no link of it is followed', async (t) => {
    const trial = tryRuntime(t, bench)
    const [volumePath, outside] = [trial.volume(), trial.volume()]
    const packs = join(volumePath, 'packs')
    mkdirSync(packs)
    for (let depth = 4; depth > 0; depth--)
      symlinkSync(depth === 4 ? outside : `deep-${depth + 1}`, join(packs, `deep-${depth}`))
    symlinkSync('/etc', join(packs, 'link'))
    writeFileSync(join(packs, 'file'), 'of the guest')
    mkdirSync(join(packs, 'full', 'inner'), { recursive: true })
    mkdirSync(join(packs, 'empty'))
    writeFileSync(join(packs, 'link.aside-1'), 'taken')
    const names = ['deep-1', 'link', 'file', 'full', 'empty']
    const moved = makePackPlaces(volumePath, names)
    assert.deepEqual(moved, [
      { path: 'packs/deep-1', movedTo: 'packs/deep-1.aside-1' },
      { path: 'packs/link', movedTo: 'packs/link.aside-2' },
      { path: 'packs/file', movedTo: 'packs/file.aside-1' },
      { path: 'packs/full', movedTo: 'packs/full.aside-1' },
    ])
    await using sandbox = await trial.start({ volumePath, packs: names.map((name) => packOf(trial, name)) })
    const ran = await run(sandbox, names.map((name) => `cat packs/${name}/guide`).join(';'))
    assert.equal(ran.stdout, names.map((name) => `of ${name}\n`).join(''), ran.stderr)
    assert.deepEqual(readdirSync(outside), [])
    assert.equal(readlinkSync(join(packs, 'link.aside-2')), '/etc')
    assert.equal(readFileSync(join(packs, 'file.aside-1'), 'utf8'), 'of the guest')
  })

  test('a link in the place of all packs is set aside too', async (t) => {
    const trial = tryRuntime(t, bench)
    const [volumePath, outside] = [trial.volume(), trial.volume()]
    symlinkSync(outside, join(volumePath, 'packs'))
    const pack = packOf(trial, 'tools')
    assert.deepEqual(makePackPlaces(volumePath, ['tools']), [{ path: 'packs', movedTo: 'packs.aside-1' }])
    await using sandbox = await trial.start({ volumePath, packs: [pack] })
    assert.equal((await run(sandbox, 'cat packs/tools/guide')).stdout, 'of tools\n')
    assert.deepEqual(readdirSync(outside), [])
  })
}

/** Content that anybody may read and root owns, as an unpacked image is. */
function packOf(trial: Trial, name: string): LocalPack {
  const root = join(trial.folder, '..', `pack-${name}`)
  if (existsSync(root)) return { name, root }
  mkdirSync(root)
  writeFileSync(join(root, 'guide'), `of ${name}\n`)
  writeFileSync(join(root, 'run'), `#!/bin/sh\necho ran ${name}\n`)
  chmodSync(join(root, 'guide'), 0o444)
  chmodSync(join(root, 'run'), 0o555)
  return { name, root }
}
