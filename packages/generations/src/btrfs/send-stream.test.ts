import assert from 'node:assert/strict'
import test from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import {
  type Attributes,
  capturedStream,
  command,
  type EncodedCommandName,
  encode,
  encodeCommand,
  encodedCommandNames,
  incrementalStream,
  streamHeader,
  u32,
} from './send-stream.fixture.ts'
import { parseSendStream } from './send-stream.ts'

const PATH = 15
const OFFSET = 18
const BYTES = 19

function namesOf(stream: Uint8Array): string[] {
  return [...parseSendStream(stream)].map(({ name }) => name)
}

function lastOf(stream: Uint8Array) {
  return [...parseSendStream(stream)].at(-1)
}

function assertCorrupt(stream: Uint8Array, message: RegExp): void {
  assert.throws(
    () => namesOf(stream),
    (error) => isFailure(error, 'stream-corrupt') && message.test(error.message),
  )
}

test('a captured stream is read to its end', () => {
  const commands = [...parseSendStream(capturedStream)]
  assert.deepEqual(commands.slice(0, 3), [
    { name: 'snapshot', path: 'B' },
    { name: 'rename', path: 'd', pathTo: 'e' },
    { name: 'updateExtent', path: 'hl', start: 0, end: 8 },
  ])
  assert.deepEqual(commands.at(-1), { name: 'end' })
  assert.equal(commands.length, 21)
})

/** What each command needs beyond its path. */
const NEEDED: Partial<Record<EncodedCommandName, Attributes>> = {
  rename: [[16, 'to']],
  link: [[17, 'from']],
  write: [
    [OFFSET, 4096],
    [BYTES, 'bytes of the file'],
  ],
  clone: [
    [OFFSET, 4096],
    [24, 17],
  ],
  truncate: [[4, 17]],
  updateExtent: [
    [OFFSET, 4096],
    [4, 17],
  ],
  fallocate: [
    [25, u32(3)],
    [OFFSET, 4096],
    [4, 17],
  ],
  encodedWrite: [
    [OFFSET, 4096],
    [27, 17],
    [BYTES, 'compressed'],
  ],
}

test('every command of version 3 is known', () => {
  for (const name of encodedCommandNames) {
    if (name === 'end') continue
    const stream = incrementalStream([command(name, [[PATH, 'f'], ...(NEEDED[name] ?? [])], 3)], 3)
    const parsed = [...parseSendStream(stream)]
    assert.equal(parsed.length, 3, name)
    assert.equal(parsed[1]?.name, name)
    if (parsed[1] !== undefined && 'start' in parsed[1]) assert.equal(parsed[1].end, 4096 + 17, name)
  }
})

test('the bytes of a write have a length in version 1 and reach to the end of the command from version 2', () => {
  const place: Attributes = [[OFFSET, 10]]
  const long: Attributes = [...place, [PATH, 'f'], [BYTES, 'x'.repeat(70_000)]]
  const expected = { name: 'write', path: 'f', start: 10 }
  const [, second] = parseSendStream(incrementalStream([command('write', long, 2)], 2))
  assert.deepEqual(second, { ...expected, end: 70_010 })
  const early: Attributes = [...place, [BYTES, 'x'.repeat(70)], [PATH, 'f']]
  const [, first] = parseSendStream(incrementalStream([command('write', early, 1)], 1))
  assert.deepEqual(first, { ...expected, end: 80 })
})

test('paths keep their bytes', () => {
  const path = Array.from({ length: 255 }, (_, at) => String.fromCharCode(at + 1))
    .filter((character) => character !== '/')
    .join('')
  assert.deepEqual([...parseSendStream(incrementalStream([encode.at('chmod', path)]))][1], {
    name: 'chmod',
    path,
  })
})

test('a path that is absolute or passes through a dot is damage', () => {
  for (const path of ['/a', 'a/', 'a//b', '.', '..', '../a', 'a/..', 'a/./b', 'a\0b']) {
    assertCorrupt(incrementalStream([encode.at('mkdir', path)]), /leaves its root/)
  }
  for (const path of ['...', '..a', 'a..', '.a/b.', 'a/...']) {
    assert.equal(namesOf(incrementalStream([encode.at('mkdir', path)])).length, 3)
  }
})

test('a newer version, command, attribute or allocation mode makes the stream unreadable, not damaged', () => {
  const unreadable = (reason: string) => ({ name: 'unreadable', reason })
  assert.deepEqual(lastOf(incrementalStream([], 4)), unreadable('unknown-version'))
  assert.deepEqual(lastOf(incrementalStream([], 0)), unreadable('unknown-version'))
  assert.deepEqual(
    lastOf(incrementalStream([encodeCommand(27, Buffer.alloc(3))])),
    unreadable('unknown-command'),
  )
  assert.deepEqual(lastOf(incrementalStream([encode.at('fileattr', 'f')])), unreadable('unknown-command'))
  const chmod = command('chmod', [
    [PATH, 'f'],
    [36, 1],
  ])
  assert.deepEqual(lastOf(incrementalStream([chmod], 3)), unreadable('unknown-attribute'))
  const collapse: Attributes = [
    [PATH, 'f'],
    [25, u32(8)],
    [OFFSET, 0],
    [4, 4096],
  ]
  assert.deepEqual(
    lastOf(incrementalStream([command('fallocate', collapse, 2)], 2)),
    unreadable('unknown-attribute'),
  )
})

test('a number beyond the safe integers makes the stream unreadable', () => {
  const tooBig = { name: 'unreadable', reason: 'number-too-big' }
  assert.deepEqual(lastOf(incrementalStream([encode.truncate('f', 2n ** 53n)])), tooBig)
  assert.deepEqual(lastOf(incrementalStream([encode.extent('f', 2n ** 53n - 2n, 2)])), tooBig)
  assert.deepEqual(lastOf(incrementalStream([encode.extent('f', 2n ** 64n - 1n, 2n ** 64n - 1n)])), tooBig)
  assert.deepEqual(lastOf(incrementalStream([encode.truncate('f', 2n ** 53n - 1n)])), { name: 'end' })
})

test('a command without one of its attributes, or with one of a wrong length, is damage', () => {
  assertCorrupt(incrementalStream([command('chmod')]), /attribute 15 is missing/)
  assertCorrupt(incrementalStream([command('rename', [[PATH, 'a']])]), /attribute 16 is missing/)
  const short: Attributes = [
    [PATH, 'f'],
    [4, 'four'],
  ]
  assertCorrupt(incrementalStream([command('truncate', short)]), /8 bytes/)
  const twice: Attributes = [
    [PATH, 'f'],
    [PATH, 'g'],
  ]
  assertCorrupt(incrementalStream([command('chmod', twice)]), /comes twice/)
})

test('a stream that goes on after its end, or has none, is damage', () => {
  assertCorrupt(Buffer.concat([capturedStream, Buffer.from([0])]), /follow its end/)
  assertCorrupt(streamHeader(), /stops before its end/)
  assertCorrupt(Buffer.from('another file altogether'), /does not begin as one/)
})
