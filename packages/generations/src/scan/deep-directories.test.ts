import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { CommittedWorkspace } from '@holdfast/testkit/committed-workspace'
import type { Holdfs } from '../holdfs/holdfs.ts'

interface Chain {
  readonly levels: number
  readonly name: (level: number) => string
}

/** Runs `use` in the directory `path`, for which this process goes there. */
async function inside(path: string, use: () => void | Promise<void>): Promise<void> {
  const before = process.cwd()
  process.chdir(path)
  try {
    await use()
  } finally {
    process.chdir(before)
  }
}

/** Directories within directories, deeper than a path can name, with a file in each. */
async function makeChain(root: string, { levels, name }: Chain): Promise<void> {
  await inside(root, () => {
    for (let level = 0; level < levels; level++) {
      writeFileSync('file', `level ${level}`)
      mkdirSync(name(level))
      process.chdir(name(level))
    }
  })
}

/** Gives each directory of a chain an attribute that tells its level. */
async function markChain(holdfs: Holdfs, root: string, { levels, name }: Chain): Promise<void> {
  await inside(root, async () => {
    for (let level = 0; level < levels; level++) {
      process.chdir(name(level))
      const xattrs = [{ name: 'user.level', value: String(level) }]
      const entries = [{ name: '.', xattrs, mtimeNs: BigInt(level) * 1_000_000_007n }]
      await holdfs.applyAttributes([{ directory: `/proc/${process.pid}/cwd`, entries }])
    }
  })
}

/** Reads each level's file, attribute and mtime, as far down as there are any. */
async function readChain(holdfs: Holdfs, root: string, { levels, name }: Chain): Promise<string[]> {
  const found: string[] = []
  await inside(root, async () => {
    for (let level = 0; level < levels; level++) {
      found.push(readFileSync('file', 'utf8'))
      process.chdir(name(level))
      const [answer] = await holdfs.readXattrs(`/proc/${process.pid}/cwd`, ['.'])
      found.push(JSON.stringify(answer))
    }
  })
  return found
}

/** What `find` says of a tree without naming paths, which would be longer than the tree; directories have no size. */
function listing(root: string): string[] {
  const format = [
    '(',
    '-type',
    'd',
    '-printf',
    'd %m %T@ %d %f\n',
    ')',
    '-o',
    '-printf',
    '%y %m %s %T@ %d %f\n',
  ]
  const listed = execFileSync('find', ['.', '-mindepth', '1', ...format], { cwd: root, maxBuffer: 1 << 28 })
  return listed.toString().split('\n').sort()
}

/** As `deepEqual`, for lists too long to print. */
function assertSameLines(actual: readonly string[], expected: readonly string[]): void {
  const differing = expected.findIndex((line, index) => actual[index] !== line)
  assert.equal(actual[differing], expected[differing], `line ${differing} of ${expected.length}`)
  assert.equal(actual.length, expected.length)
}

/** `marked`: with an attribute for each directory, which takes a call each. */
async function commitAndRestore(chain: Chain, marked: boolean): Promise<void> {
  await using workspace = await CommittedWorkspace.open()
  await makeChain(workspace.source, chain)
  if (marked) await markChain(workspace.holdfs, workspace.source, chain)
  const { root, files } = await workspace.commitNew()
  assert.equal(files, chain.levels)
  const restored = await workspace.restore(root)
  assertSameLines(listing(restored), listing(workspace.source))
  if (!marked) return
  const found = await readChain(workspace.holdfs, restored, chain)
  assertSameLines(found, await readChain(workspace.holdfs, workspace.source, chain))
  writeFileSync(join(workspace.source, 'file'), 'the top alone')
  const { newBytes } = await workspace.commitNew()
  assert.ok(newBytes < 4096, `${newBytes} bytes`)
}

describe('directories deeper than a path can be long', () => {
  test('are committed and restored: 4,096 levels of short names', async () => {
    await commitAndRestore({ levels: 4096, name: () => 'd' }, false)
  })

  test('are committed and restored: 60 levels of the longest names, not all ASCII', async () => {
    const name = (level: number) => (level % 3 === 0 ? 'ü'.repeat(127) : String(level).padStart(255, '0'))
    await commitAndRestore({ levels: 60, name }, true)
  })

  test('keep their attributes apart, however many of them are reached at once', async () => {
    await using workspace = await CommittedWorkspace.open()
    const { holdfs, source } = workspace
    const siblings = Array.from({ length: 40 }, (_, index) => String(index).padStart(120, '-'))
    const below = 'c'.repeat(200)
    const mark = async (name: string, level: string) => {
      const entry = { name, xattrs: [{ name: 'user.level', value: level }] }
      await holdfs.applyAttributes([{ directory: `/proc/${process.pid}/cwd`, entries: [entry] }])
    }
    const eachSibling = (root: string, use: (sibling: string) => Promise<void>) =>
      inside(root, async () => {
        for (let level = 0; level < 11; level++) {
          mkdirSync('x'.repeat(255), { recursive: true })
          process.chdir('x'.repeat(255))
        }
        for (const sibling of siblings) {
          mkdirSync(`${sibling}/${below}/${below}`, { recursive: true })
          process.chdir(`${sibling}/${below}/${below}`)
          await use(sibling)
          process.chdir('../../..')
        }
      })
    await eachSibling(source, async (sibling) => {
      writeFileSync('file', sibling)
      await mark('.', `directory ${sibling}`)
      await mark('file', `file ${sibling}`)
    })
    const restored = await workspace.restore((await workspace.commitNew()).root)
    assertSameLines(listing(restored), listing(source))
    await eachSibling(restored, async (sibling) => {
      assert.equal(readFileSync('file', 'utf8'), sibling)
      const found = await holdfs.readXattrs(`/proc/${process.pid}/cwd`, ['.', 'file'])
      const levels = found.map(
        (answer) => 'xattrs' in answer && answer.xattrs.map(({ value }) => value).join(),
      )
      assert.deepEqual(levels, [`directory ${sibling}`, `file ${sibling}`])
    })
  })

  test('are refused, and said, beyond 16 KiB of path', async () => {
    await using workspace = await CommittedWorkspace.open()
    const chain = { levels: 70, name: () => 'x'.repeat(255) }
    await makeChain(workspace.source, chain)
    await assert.rejects(workspace.commit(), (error) => isFailure(error, 'unsupported-file'))
  })
})
