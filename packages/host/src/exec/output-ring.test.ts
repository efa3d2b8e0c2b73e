import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { OutputRing, type RingEvent } from './output-ring.ts'

function folder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'holdfast-ring-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

async function all(ring: OutputRing, after = 0): Promise<RingEvent[]> {
  const events: RingEvent[] = []
  for await (const event of ring.read(after)) events.push(event)
  return events
}

const text = (event: RingEvent) =>
  event.kind === 'piece' ? Buffer.from(event.piece.bytes).toString() : event.kind

test('what was appended is read at once, and again by the next process', async () => {
  using place = folder()
  const ring = new OutputRing({ clock: systemClock, folder: join(place.path, 'x') })
  await ring.append('stdout', Buffer.from('one'))
  await ring.append('stderr', Buffer.from('two'))
  assert.deepEqual((await all(ring)).map(text), ['one', 'two'])
  await ring.flush()
  await ring.append('stdout', Buffer.from('three'))
  assert.deepEqual((await all(ring, 1)).map(text), ['two', 'three'])
  await ring.flush()
  appendFileSync(join(place.path, 'x', '1'), 'cut') // by a crash
  const next = new OutputRing({ clock: systemClock, folder: join(place.path, 'x') })
  assert.equal(next.lastSequence, 3)
  assert.deepEqual((await all(next)).map(text), ['one', 'two', 'three'])
})

test('numbers go on where they were, and old ones show as a gap', async () => {
  using place = folder()
  const ring = new OutputRing({ clock: systemClock, folder: place.path, bytesMax: 16_000 })
  for (let at = 0; at < 100; at++) await ring.append('stdout', Buffer.alloc(1000, 'x'))
  await ring.flush()
  const events = await all(ring)
  const [gap, ...pieces] = events
  assert.equal(gap?.kind, 'gap')
  assert.equal(gap?.kind === 'gap' && gap.fromSequence, 1)
  assert.ok(pieces.length >= 8 && pieces.length <= 17, String(pieces.length))
  const next = new OutputRing({ clock: systemClock, folder: place.path, bytesMax: 16_000 })
  assert.equal(next.lastSequence, 100)
  assert.equal((await all(next)).length, events.length)
})

test('a disk that takes nothing leaves a gap, and no error', async () => {
  using place = folder()
  const ring = new OutputRing({ clock: systemClock, folder: join(place.path, 'a\0b') })
  await ring.append('stdout', Buffer.from('lost'))
  await ring.flush()
  assert.deepEqual(await all(ring), [{ kind: 'gap', fromSequence: 1, toSequence: 1 }])
})

test('nothing is made for a command without output, and nothing stays of a removed one', async () => {
  using place = folder()
  const ring = new OutputRing({ clock: systemClock, folder: join(place.path, 'x') })
  await ring.flush()
  assert.deepEqual(readdirSync(place.path), [])
  await ring.append('stdout', Buffer.from('one'))
  await ring.remove()
  assert.deepEqual(readdirSync(place.path), [])
})
