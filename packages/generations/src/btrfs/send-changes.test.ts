import assert from 'node:assert/strict'
import test from 'node:test'
import { type ChangeList, changedRanges, type FileChange, previousPathOf } from './change-list.ts'
import { readSendChanges, type SendOptions, sendLimits } from './send-changes.ts'
import { capturedStream, command, encode, incrementalStream, streamHeader } from './send-stream.fixture.ts'

function changesOf(commands: readonly Buffer[], options: SendOptions = {}): ChangeList {
  const changes = readSendChanges(incrementalStream(commands), options)
  assert.ok(changes.kind === 'changes', JSON.stringify(changes))
  return changes
}

function assertUnknown(stream: Buffer, reason: string, options: SendOptions = {}): void {
  assert.deepEqual(readSendChanges(stream, options), { kind: 'unknown', reason })
}

const written: Partial<FileChange> = { ranges: [{ start: 0, end: 4096 }], attributesOnly: false }

test('a captured stream becomes the changes that were made', () => {
  const changes = readSendChanges(capturedStream, {
    namesOf: (path) => (path === 'hl' ? ['d/f', 'hl'] : undefined),
  })
  const append = { created: false, ranges: [{ start: 0, end: 8 }], attributesOnly: false }
  assert.deepEqual(changes, {
    kind: 'changes',
    dirtyDirectories: new Set(['', 'e']),
    files: new Map<string, FileChange>([
      ['hl', { ...append, previousPath: 'hl' }],
      ['e/f', { ...append, previousPath: 'd/f' }],
      ['big', { created: false, previousPath: 'big', ranges: [], attributesOnly: false }],
      ['copy', { created: true, ranges: [{ start: 0, end: 50_000 }], attributesOnly: false }],
    ]),
    movedDirectories: new Map([['e', 'd']]),
    created: new Set(['copy', 'sym']),
    removed: new Set(['d', 'gone']),
  })
})

test('a file that is created as an orphan is listed under its final name', () => {
  const changes = changesOf([
    encode.at('mkfile', 'o300-9-0'),
    encode.rename('o300-9-0', 'a/f'),
    encode.extent('a/f', 0, 4096),
    encode.rename('a', 'b'),
  ])
  assert.deepEqual([...changes.files], [['b/f', { created: true, ...written }]])
  assert.deepEqual([...changes.movedDirectories], [['b', 'a']])
  assert.deepEqual([...changes.dirtyDirectories], ['', 'b'])
  assert.deepEqual([...changes.removed], ['a'])
})

test('changes inside a directory are listed where the directory ends up, however often it moves', () => {
  const changes = changesOf([
    encode.extent('a/b/f', 0, 4096),
    encode.rename('a/b', 'o300-9-0'),
    encode.at('mkdir', 'n'),
    encode.rename('o300-9-0', 'n/c'),
    encode.rename('a', 'z'),
    encode.at('chmod', 'z/sibling'),
  ])
  assert.deepEqual(changes.files.get('n/c/f'), { created: false, previousPath: 'a/b/f', ...written })
  assert.equal(changes.files.get('z/sibling')?.previousPath, 'a/sibling')
  assert.equal(changes.files.get('z/sibling')?.attributesOnly, true)
  assert.deepEqual(
    new Map(changes.movedDirectories),
    new Map([
      ['n/c', 'a/b'],
      ['z', 'a'],
    ]),
  )
  assert.deepEqual([...changes.removed].sort(), ['a', 'a/b'])
})

test('two directories that change places keep what each holds', () => {
  const changes = changesOf([
    encode.rename('a', 'o300-9-0'),
    encode.rename('b', 'a'),
    encode.rename('o300-9-0', 'b'),
    encode.extent('a/f', 0, 4096),
  ])
  assert.deepEqual(
    new Map(changes.movedDirectories),
    new Map([
      ['a', 'b'],
      ['b', 'a'],
    ]),
  )
  assert.equal(changes.files.get('a/f')?.previousPath, 'b/f')
  assert.equal(previousPathOf(changes, 'b/x/y'), 'a/x/y')
  assert.equal(changes.removed.size, 0)
})

test('a directory that goes away and comes back has not moved', () => {
  const changes = changesOf([encode.rename('a', 'o300-9-0'), encode.rename('o300-9-0', 'a')])
  assert.equal(changes.movedDirectories.size, 0)
  assert.equal(changes.removed.size, 0)
  assert.equal(previousPathOf(changes, 'a/f'), 'a/f')
})

test('a new directory in the place of an old one inherits nothing but what is moved into it', () => {
  const changes = changesOf([
    encode.rename('a', 'o256-7-0'),
    encode.at('mkdir', 'o300-9-0'),
    encode.rename('o300-9-0', 'a'),
    encode.rename('o256-7-0/kept', 'a/kept'),
    encode.at('unlink', 'o256-7-0/f'),
    encode.at('rmdir', 'o256-7-0'),
  ])
  assert.ok(changes.created.has('a'))
  assert.equal(previousPathOf(changes, 'a'), undefined)
  assert.equal(previousPathOf(changes, 'a/f'), undefined)
  assert.equal(previousPathOf(changes, 'a/kept/x'), 'a/kept/x')
  assert.deepEqual([...changes.removed], ['a/f'])
})

test('a file saved by rename over the old one has no previous version', () => {
  const changes = changesOf([
    encode.at('mkfile', 'o300-9-0'),
    encode.extent('o300-9-0', 0, 4096),
    encode.rename('o300-9-0', 'd/f'),
  ])
  assert.deepEqual([...changes.files], [['d/f', { created: true, ...written }]])
  assert.equal(previousPathOf(changes, 'd/f'), undefined)
})

test('a rename by link and unlink keeps the previous version', () => {
  const changes = changesOf([encode.link('d/new', 'd/old'), encode.at('unlink', 'd/old')])
  assert.deepEqual(
    [...changes.files],
    [['d/new', { created: false, previousPath: 'd/old', ranges: [], attributesOnly: true }]],
  )
  assert.equal(changes.movedDirectories.size, 0)
  assert.deepEqual([...changes.removed], ['d/old'])
})

test('every name of a linked file is listed when its names are known', () => {
  const names = ['x/one', 'y/two', 'y/three']
  const commands = [
    encode.link('z', 'y/two'),
    encode.at('unlink', 'y/two'),
    encode.extent('y/three', 0, 4096),
    encode.rename('x', 'w'),
  ]
  const changes = changesOf(commands, { namesOf: (path) => (names.includes(path) ? names : undefined) })
  assert.deepEqual(
    [...changes.files]
      .filter(([path]) => path !== 'w')
      .map(([path, { previousPath }]) => [path, previousPath])
      .sort(),
    [
      ['w/one', 'x/one'],
      ['y/three', 'y/three'],
      ['z', 'x/one'],
    ],
  )
  for (const path of ['w/one', 'y/three', 'z'])
    assert.deepEqual(changes.files.get(path)?.ranges, written.ranges)
  assert.ok(changes.dirtyDirectories.has('w'))
})

test('clones, writes and truncations of one file come together in order', () => {
  const changes = changesOf([
    encode.extent('f', 8192, 4096),
    encode.clone('f', 12_288, 4096),
    encode.truncate('f', 10_000),
    encode.extent('f', 20_000, 10),
  ])
  assert.deepEqual(changes.files.get('f')?.ranges, [{ start: 8192, end: 20_010 }])
})

test('bytes beyond the old size count as changed', () => {
  const change: FileChange = {
    created: false,
    previousPath: 'f',
    ranges: [{ start: 0, end: 5 }],
    attributesOnly: false,
  }
  assert.deepEqual(changedRanges(change, { oldSizeBytes: 396, newSizeBytes: 15_361 }), [
    { start: 0, end: 5 },
    { start: 396, end: 15_361 },
  ])
  assert.deepEqual(changedRanges(change, { oldSizeBytes: 396, newSizeBytes: 3 }), [{ start: 0, end: 3 }])
  const created: FileChange = { created: true, ranges: [{ start: 0, end: 5 }], attributesOnly: false }
  assert.deepEqual(changedRanges(created, { oldSizeBytes: 0, newSizeBytes: 9 }), [{ start: 0, end: 5 }])
})

test('an entry of unknown kind is listed as whatever it may be', () => {
  const changes = changesOf([encode.rename('a', 'b'), encode.at('chmod', 'c')])
  assert.deepEqual([...changes.files.keys()], ['b', 'c'])
  assert.deepEqual([...changes.movedDirectories], [['b', 'a']])
  assert.deepEqual([...changes.dirtyDirectories].sort(), ['', 'c'])
})

test('a stream that cannot be followed to the end asks for a full scan', () => {
  const later = Buffer.from(capturedStream)
  later.writeUInt32LE(7, 13)
  assertUnknown(later, 'unknown-version')
  const whole = [streamHeader(), command('subvol', [[15, 's']]), command('end')]
  assertUnknown(Buffer.concat(whole), 'not-incremental')
  assertUnknown(Buffer.concat([streamHeader(), command('end')]), 'not-incremental')
  assertUnknown(incrementalStream([command('snapshot', [[15, 's']])]), 'not-incremental')
  assertUnknown(capturedStream, 'stream-too-long', { limits: { ...sendLimits, streamBytesMax: 100 } })
  const nested = [encode.at('mkdir', 'a'), encode.at('mkdir', 'b'), encode.rename('b', 'a/b')]
  assertUnknown(incrementalStream(nested), 'paths-too-long', { limits: { ...sendLimits, pathBytesMax: 2 } })
  assertUnknown(incrementalStream(nested), 'paths-too-long', {
    limits: { ...sendLimits, pathBytesSumMax: 3 },
  })
})

test('commands that no old snapshot allows ask for a full scan', () => {
  const impossible: Readonly<Record<string, readonly Buffer[]>> = {
    'a removed file is written': [encode.at('unlink', 'f'), encode.extent('f', 0, 1)],
    'a file in a new directory appears from nowhere': [encode.at('mkdir', 'd'), encode.at('chmod', 'd/f')],
    'a file is made twice': [encode.at('mkfile', 'f'), encode.at('mkfile', 'f')],
    'a directory moves into itself': [encode.at('mkdir', 'd'), encode.rename('d', 'd/e')],
    'a directory gets a second name': [encode.at('mkdir', 'd'), encode.link('e', 'd')],
    'a linked entry turns out to be a directory': [encode.link('e', 'd'), encode.at('mkfile', 'd/f')],
    'a directory is unlinked': [encode.at('mkdir', 'd'), encode.at('unlink', 'd')],
    'a file is removed as a directory': [encode.extent('f', 0, 1), encode.at('rmdir', 'f')],
    'a full directory is removed': [encode.at('mkfile', 'd/f'), encode.at('rmdir', 'd')],
    'a directory is overwritten': [encode.at('mkdir', 'd'), encode.rename('f', 'd')],
    'a symlink is written': [encode.at('symlink', 's'), encode.extent('s', 0, 1)],
    'the root moves': [encode.rename('', 'r')],
    'the times of a removed file change': [encode.at('unlink', 'f'), encode.at('utimes', 'f')],
  }
  for (const [what, commands] of Object.entries(impossible)) {
    assert.deepEqual(
      readSendChanges(incrementalStream(commands)),
      { kind: 'unknown', reason: 'inconsistent' },
      what,
    )
  }
})

test('the times of an orphan that is gone do not matter', () => {
  const changes = changesOf([
    encode.rename('d', 'o300-9-0'),
    encode.at('rmdir', 'o300-9-0'),
    encode.at('utimes', 'o300-9-0'),
  ])
  assert.deepEqual([...changes.removed], ['d'])
})

test('the times of an orphan that the stream never made are listed, for it may be a file of that name', () => {
  const changes = changesOf([encode.at('rmdir', 'd'), encode.at('utimes', 'o300-9-0')])
  assert.equal(changes.files.get('o300-9-0')?.attributesOnly, true)
})

test('100,000 commands are read in time in proportion to their number', (t) => {
  const commands: Buffer[] = []
  for (let index = 0; commands.length < 100_000; index++) {
    const [orphan, path] = [`o${index}-9-0`, `packages/module-${index % 500}/src/file-${index}.ts`]
    commands.push(encode.at('mkfile', orphan), encode.rename(orphan, path), encode.extent(path, 0, 4096))
    commands.push(encode.at('chmod', path), encode.at('utimes', path))
  }
  commands.push(encode.rename('packages', 'moved'))
  const stream = incrementalStream(commands)
  const start = performance.now()
  const changes = readSendChanges(stream)
  const elapsedMs = performance.now() - start
  assert.ok(changes.kind === 'changes')
  assert.equal(changes.files.size, 20_000)
  assert.ok(changes.files.has('moved/module-1/src/file-1.ts'))
  const megabytes = stream.length / 1e6
  t.diagnostic(
    `${megabytes.toFixed(1)} MB in ${elapsedMs.toFixed(0)} ms: ${((megabytes / elapsedMs) * 1000).toFixed(0)} MB/s`,
  )
  assert.ok(elapsedMs < 5000, 'far from quadratic')
})
