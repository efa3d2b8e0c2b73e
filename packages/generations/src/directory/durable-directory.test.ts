import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'
import { noise } from '@holdfast/testkit/noise'
import { assertSameTree } from '@holdfast/testkit/tree-facts'
import { commitDirectory } from './commit-directory.ts'
import { DurableDirectory } from './durable-directory.ts'
import { makeStaging } from './restore-staging.ts'
import { WatchedDirectory } from './watched-directory.fixture.ts'

/** Above the largest that Linux gives. */
const PID_NEVER = 2 ** 22 + 1

const fails = (code: FailureCode) => (error: unknown) => isFailure(error, code)

async function commit(ground: WatchedDirectory): Promise<void> {
  await commitDirectory(ground.deps, { path: ground.path, wish: { kind: 'sync' } })
}

/** Names of a directory that no restore was asked to make. */
function leftBehind(path: string): string[] {
  return readdirSync(path).filter((name) => name.includes('restoring'))
}

describe('a restore of a directory', () => {
  test('is the directory as it was committed, at a new path or an empty one', async () => {
    await using ground = await WatchedDirectory.make()
    writeFileSync(join(ground.path, 'a'), 'a')
    await commit(ground)
    await using directory = await DurableDirectory.open(ground.deps, ground.path)
    const generation = await directory.find()
    mkdirSync(join(ground.base, 'empty'))
    for (const name of ['new', 'empty', 'made/on/the/way', 'x'.repeat(255)]) {
      const path = join(ground.base, name)
      await directory.restore({ generation, path })
      await assertSameTree(ground.deps.holdfs, path, ground.path)
    }
    assert.deepEqual(leftBehind(ground.base), [])
  })

  test('removes what restores to that path left that were killed, and not what one makes that runs', async () => {
    await using ground = await WatchedDirectory.make()
    writeFileSync(join(ground.path, 'a'), 'a')
    await commit(ground)
    await using directory = await DurableDirectory.open(ground.deps, ground.path)
    const path = join(ground.base, 'out')
    const running = makeStaging(path, ground.deps.randomness)
    const [prefix = '', pid = ''] = basename(running).split(/(?<=restoring-)(\d+)/)
    for (const name of [`${prefix}${PID_NEVER}-1-abcdef01`, `${prefix}${pid}-1-abcdef02`, `${prefix}unnamed`])
      mkdirSync(join(ground.base, name, 'd'), { recursive: true })
    mkdirSync(join(ground.base, '.other.restoring-1-1-abcdef03'))
    await directory.restore({ generation: await directory.find(), path })
    assert.deepEqual(leftBehind(ground.base), [basename(running), '.other.restoring-1-1-abcdef03'].sort())
  })

  test('refuses a path that is taken, and changes nothing there', async () => {
    await using ground = await WatchedDirectory.make()
    writeFileSync(join(ground.path, 'a'), 'a')
    await commit(ground)
    await using directory = await DurableDirectory.open(ground.deps, ground.path)
    const generation = await directory.find()
    const at = (name: string) => join(ground.base, name)
    mkdirSync(at('full'))
    writeFileSync(at('full/b'), 'b')
    writeFileSync(at('file'), 'file')
    symlinkSync('nowhere', at('link'))
    const before = execFileSync('ls', ['-lR', ground.base]).toString()
    await assert.rejects(directory.restore({ generation, path: at('full') }), fails('not-empty'))
    await assert.rejects(directory.restore({ generation, path: at('file') }), fails('already-exists'))
    await assert.rejects(directory.restore({ generation, path: at('link') }), fails('already-exists'))
    assert.equal(execFileSync('ls', ['-lR', ground.base]).toString(), before)
  })

  test('onto a full disk says so, and leaves nothing', async () => {
    await using ground = await WatchedDirectory.make()
    writeFileSync(join(ground.path, 'large'), noise(1, 6 << 20))
    await commit(ground)
    await using directory = await DurableDirectory.open(ground.deps, ground.path)
    const generation = await directory.find()
    const small = join(ground.base, 'small')
    mkdirSync(small)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'none', small])
    try {
      await assert.rejects(directory.restore({ generation, path: join(small, 'out') }), fails('volume-full'))
      assert.deepEqual(readdirSync(small), [])
    } finally {
      execFileSync('umount', [small])
    }
  })

  test('of a generation whose packs are gone or damaged is refused, and leaves nothing', async () => {
    await using ground = await WatchedDirectory.make()
    writeFileSync(join(ground.path, 'a'), noise(1, 100_000))
    await commit(ground)
    await using directory = await DurableDirectory.open(ground.deps, ground.path)
    const generation = await directory.find()
    const store = join(ground.base, 'store')
    const packs = execFileSync('find', [store, '-type', 'f', '-size', '+50k']).toString().trim().split('\n')
    assert.equal(packs.length, 1)
    const [pack = ''] = packs
    const path = join(ground.base, 'out')
    execFileSync('cp', ['-a', pack, `${ground.base}/kept`])
    execFileSync('dd', [
      'if=/dev/zero',
      `of=${pack}`,
      'bs=1',
      'seek=3000',
      'count=5',
      'conv=notrunc',
      'status=none',
    ])
    await assert.rejects(directory.restore({ generation, path }), (error) =>
      isFailure(error, 'object-corrupt', 'chunk-corrupt'),
    )
    rmSync(pack)
    await assert.rejects(directory.restore({ generation, path }), fails('object-missing'))
    assert.deepEqual(leftBehind(ground.base), [])
    assert.ok(!readdirSync(ground.base).includes('out'))
  })
})

describe('a generation is found', () => {
  test('by its number, the beginning of its id, or as the head, and else is not there', async () => {
    await using ground = await WatchedDirectory.make()
    for (const text of ['one', 'two', 'three']) {
      writeFileSync(join(ground.path, 'a'), text)
      await commit(ground)
    }
    await using directory = await DurableDirectory.open(ground.deps, ground.path)
    const [head, second] = await directory.history(10)
    assert.equal((await directory.find()).id, head?.id)
    assert.equal((await directory.find('2')).id, second?.id)
    assert.equal((await directory.find(second?.id)).id, second?.id)
    assert.equal((await directory.find(second?.id.slice(0, 12))).id, second?.id)
    await assert.rejects(directory.find('99'), fails('not-found'))
    await assert.rejects(directory.find('zz'), fails('not-found'))
  })
})

describe('a directory', () => {
  test('has one history, found by any path that leads to it', async () => {
    await using ground = await WatchedDirectory.make()
    const request = { path: ground.path, store: join(ground.base, 'store'), keyFile: null }
    await assert.rejects(DurableDirectory.init(ground.deps, request), fails('already-exists'))
    symlinkSync(ground.path, join(ground.base, 'link'))
    await using byLink = await DurableDirectory.open(ground.deps, join(ground.base, 'link'))
    assert.equal(byLink.config.path, ground.path)
    rmSync(ground.path, { recursive: true })
    await using gone = await DurableDirectory.open(ground.deps, ground.path)
    assert.equal(gone.config.path, ground.path)
    await assert.rejects(DurableDirectory.open(ground.deps, ground.base), fails('not-found'))
  })

  test('shares a store only under the same key', async () => {
    await using ground = await WatchedDirectory.make()
    await using directory = await DurableDirectory.open(ground.deps, ground.path)
    const { store } = ground.deps.home.org(directory.config.org)
    const keyFile = join(ground.base, 'key')
    writeFileSync(keyFile, 'ab'.repeat(32))
    const path = join(ground.base, 'another')
    await assert.rejects(DurableDirectory.init(ground.deps, { path, store, keyFile }), fails('wrong-key'))
    await using other = await DurableDirectory.init(ground.deps, { path, store, keyFile: null })
    assert.equal(other.config.org, directory.config.org)
    assert.notEqual(other.config.workspace, directory.config.workspace)
  })

  test('with a key reads and writes with it, and names a key file that is gone or wrong', async () => {
    await using ground = await WatchedDirectory.make()
    const path = join(ground.base, 'sealed')
    const keyFile = join(ground.base, 'key')
    writeFileSync(keyFile, `${'cd'.repeat(32)}\n`)
    {
      await using sealed = await DurableDirectory.init(ground.deps, {
        path,
        store: join(ground.base, 's2'),
        keyFile,
      })
      writeFileSync(join(path, 'a'), 'secret')
      await commitDirectory(ground.deps, { path, wish: { kind: 'sync' } })
      await sealed.restore({ generation: await sealed.find(), path: join(ground.base, 'out') })
      await assertSameTree(ground.deps.holdfs, join(ground.base, 'out'), path)
    }
    writeFileSync(keyFile, 'not a key')
    await assert.rejects(DurableDirectory.open(ground.deps, path), fails('wrong-key'))
    writeFileSync(keyFile, 'ef'.repeat(32))
    await using other = await DurableDirectory.open(ground.deps, path)
    const generation = await other.find()
    await assert.rejects(other.restore({ generation, path: join(ground.base, 'no') }), fails('wrong-key'))
    rmSync(keyFile)
    await assert.rejects(DurableDirectory.open(ground.deps, path), fails('wrong-key'))
  })
})
