import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { CommittedWorkspace } from '@holdfast/testkit/committed-workspace'
import { withFormattedImage } from '@holdfast/testkit/ext4-image'
import { fromText, toFsPath } from '../format/byte-string.ts'

type Change = (path: (name: string) => string) => void

/** Commits a directory as `before` made it, then as `after` changed it, and restores both. */
async function commitChange(before: Change, after: Change): Promise<void> {
  await using workspace = await CommittedWorkspace.open()
  const path = (name: string) => workspace.path(name)
  before(path)
  const first = await workspace.commitNew()
  await workspace.assertRestores(first.root)
  after(path)
  const second = await workspace.commitNew()
  await workspace.assertRestores(second.root)
  assert.equal((await workspace.commit()).kind, 'unchanged')
}

const write = (path: string, text: string) => writeFileSync(path, text)

const CHANGES: readonly { readonly what: string; readonly before: Change; readonly after: Change }[] = [
  {
    what: 'a file that is written',
    before: (path) => write(path('a'), 'one'),
    after: (path) => write(path('a'), 'two'),
  },
  {
    what: 'a file that is added and one that is removed',
    before: (path) => write(path('a'), 'one'),
    after: (path) => {
      rmSync(path('a'))
      write(path('b'), 'two')
    },
  },
  {
    what: 'a renamed directory, with what is in it',
    before: (path) => {
      mkdirSync(path('a/b/c'), { recursive: true })
      write(path('a/b/c/d'), 'deep')
    },
    after: (path) => renameSync(path('a'), path('z')),
  },
  {
    what: 'two directories that trade names',
    before: (path) => {
      for (const name of ['a', 'b']) mkdirSync(path(name))
      for (const name of ['a', 'b']) write(path(`${name}/same`), name)
    },
    after: (path) => {
      renameSync(path('a'), path('x'))
      renameSync(path('b'), path('a'))
      renameSync(path('x'), path('b'))
    },
  },
  {
    what: 'a directory deep down whose parents stand',
    before: (path) => mkdirSync(path('a/b/c'), { recursive: true }),
    after: (path) => write(path('a/b/c/d'), 'new'),
  },
  {
    what: 'a file in the place of a directory in the place of a link',
    before: (path) => {
      mkdirSync(path('directory'))
      write(path('directory/a'), 'in it')
      write(path('file'), 'file')
      symlinkSync('nowhere', path('link'))
    },
    after: (path) => {
      for (const name of ['directory', 'file', 'link']) rmSync(path(name), { recursive: true })
      write(path('directory'), 'a file now')
      symlinkSync('file', path('file'))
      mkdirSync(path('link'))
      write(path('link/a'), 'a')
    },
  },
  {
    what: 'another target of a link',
    before: (path) => symlinkSync('one', path('link')),
    after: (path) => {
      rmSync(path('link'))
      symlinkSync('two', path('link'))
    },
  },
  {
    what: 'a mode alone',
    before: (path) => write(path('a'), 'a'),
    after: (path) => chmodSync(path('a'), 0o4750),
  },
  {
    what: 'the attributes of the directory itself',
    before: (path) => write(path('a'), 'a'),
    after: (path) => chmodSync(path('.'), 0o1711),
  },
  {
    what: 'a further name of a file, and then one less',
    before: (path) => {
      write(path('a'), 'one file')
      linkSync(path('a'), path('b'))
      mkdirSync(path('d'))
      linkSync(path('a'), path('d/c'))
    },
    after: (path) => rmSync(path('a')),
  },
  {
    what: 'a file that shrinks to nothing',
    before: (path) => write(path('a'), 'one'),
    after: (path) => truncateSync(path('a'), 0),
  },
  {
    what: 'everything that goes',
    before: (path) => {
      mkdirSync(path('d'))
      write(path('d/a'), 'a')
    },
    after: (path) => rmSync(path('d'), { recursive: true }),
  },
]

describe('a commit finds', () => {
  for (const { what, before, after } of CHANGES) {
    test(what, () => commitChange(before, after))
  }

  test('a file written again within one tick of the clock, with size and mtime as they were', async () => {
    await using workspace = await CommittedWorkspace.open()
    const path = workspace.path('a')
    write(path, 'one')
    const { mtimeMs } = statSync(path)
    await workspace.commitNew()
    write(path, 'two')
    utimesSync(path, mtimeMs / 1000, mtimeMs / 1000)
    await workspace.assertRestores((await workspace.commitNew()).root)
  })

  test('a file written again within one second where the file system counts in seconds', async () => {
    await withFormattedImage(16 << 20, ['-I', '128'], async (mountDir) => {
      const source = join(mountDir, 'source')
      mkdirSync(source)
      await using workspace = await CommittedWorkspace.open({ source })
      for (let round = 0; round < 8; round++) {
        write(join(source, 'a'), `round ${round}`)
        const { root } = await workspace.commitNew()
        if (round % 4 === 3) await workspace.assertRestores(root)
      }
    })
  })
})

describe('a name', () => {
  const NAMES = [
    'x'.repeat(255),
    'line\nbreak',
    '-rf',
    ' ',
    '\\',
    '*',
    'tab\t',
    '\x01\x7f',
    '\xff\xfe',
    'Caf\xe9',
    fromText('ünïcödé-日本語'),
    fromText('é'),
    fromText('é'.normalize('NFD')),
  ]

  test('of any bytes is kept byte for byte, as a file, a directory and the target of a link', async () => {
    await using workspace = await CommittedWorkspace.open()
    const at = (name: string) => toFsPath(`${fromText(workspace.source)}/${name}`)
    for (const name of NAMES) {
      const directory = name.length > 250 ? name.replace('x', 'd') : `d${name}`
      const link = name.length > 250 ? name.replace('x', 'l') : `l${name}`
      writeFileSync(at(name), name)
      mkdirSync(at(directory))
      writeFileSync(at(`${directory}/${name}`), name)
      symlinkSync(toFsPath(name), at(link))
    }
    await workspace.assertRestores((await workspace.commitNew()).root)
    for (const name of NAMES) appendFileSync(at(name), '+')
    await workspace.assertRestores((await workspace.commitNew()).root)
    assert.equal((await workspace.commit()).kind, 'unchanged')
  })

  test('of a fifo or a socket is skipped and said, and forgotten when it goes', async () => {
    await using workspace = await CommittedWorkspace.open()
    execFileSync('mkfifo', [workspace.path('pipe')])
    const server = createServer().listen(workspace.path('socket'))
    await new Promise((resolve) => server.once('listening', resolve))
    writeFileSync(workspace.path('file'), 'file')
    const { notices, root, files } = await workspace.commitNew()
    assert.deepEqual(notices, [
      { path: 'pipe', reason: 'fifo-skipped' },
      { path: 'socket', reason: 'socket-skipped' },
    ])
    assert.equal(files, 1)
    await workspace.assertRestores(root)
    await new Promise((resolve) => server.close(resolve))
    rmSync(workspace.path('pipe'))
    assert.deepEqual((await workspace.commitNew({ always: true })).notices, [])
  })

  test("of an overlay's mark of a deleted name is kept, as an empty file with the attribute that says so", async () => {
    await using workspace = await CommittedWorkspace.open()
    mkdirSync(workspace.path('upper'))
    const at = (name: string) => workspace.path(`upper/${name}`)
    execFileSync('mknod', ['-m', '0', at('deleted'), 'c', '0', '0'])
    linkSync(at('deleted'), at('linked'))
    const { root } = await workspace.commitNew()
    const restored = await workspace.restore(root)
    for (const name of ['deleted', 'linked']) {
      const path = join(restored, 'upper', name)
      const now = lstatSync(path)
      assert.ok(now.isFile() && now.size === 0 && (now.mode & 0o777) === 0)
      assert.equal(now.mtimeMs, lstatSync(at(name)).mtimeMs)
      const [answer] = await workspace.holdfs.readXattrs(fromText(join(restored, 'upper')), [name])
      assert.deepEqual(answer, { xattrs: [{ name: 'user.overlay.whiteout', value: 'y' }] })
    }
    assert.equal((await workspace.commit()).kind, 'unchanged')
    rmSync(at('deleted'))
    writeFileSync(at('deleted'), 'there again')
    rmSync(at('linked'))
    await workspace.assertRestores((await workspace.commitNew()).root)
  })

  test('of a device is refused and named', async () => {
    await using workspace = await CommittedWorkspace.open()
    mkdirSync(workspace.path('dev'))
    execFileSync('mknod', [workspace.path('dev/null'), 'c', '1', '3'])
    await assert.rejects(workspace.commit(), (error) => {
      return isFailure(error, 'unsupported-file') && error.details.path === 'dev/null'
    })
    rmSync(workspace.path('dev/null'))
    await workspace.assertRestores((await workspace.commitNew()).root)
  })
})

describe('nothing is committed', () => {
  test('when nothing changed: no object is written, whatever was only read', async () => {
    await using workspace = await CommittedWorkspace.open()
    mkdirSync(workspace.path('d'))
    writeFileSync(workspace.path('d/a'), 'a')
    const { id } = await workspace.commitNew()
    for (let round = 0; round < 3; round++) {
      execFileSync('cat', [workspace.path('d/a')])
      const outcome = await workspace.commit()
      assert.equal(outcome.kind === 'unchanged' && outcome.head.id, id)
    }
    let objects = 0
    for await (const _object of workspace.deps.store.list('')) objects++
    assert.equal(objects, 1)
  })

  test('for a directory that came and went', async () => {
    await using workspace = await CommittedWorkspace.open()
    const { mtimeMs } = statSync(workspace.source)
    await workspace.commitNew()
    mkdirSync(workspace.path('d'))
    rmdirSync(workspace.path('d'))
    utimesSync(workspace.source, mtimeMs / 1000, mtimeMs / 1000)
    const outcome = await workspace.commit()
    assert.ok(outcome.kind === 'unchanged' || outcome.generation.files === 0)
  })
})
