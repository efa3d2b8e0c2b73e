import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { SNAPSHOTS_MAX, SnapshotLog } from './snapshot-log.ts'

function withFolder(use: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-log-'))
  try {
    use(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const snapshot = (number: number, keep = false) => ({
  name: `${number}-0123abcd`,
  takenAtMs: number,
  keep,
})

test('what was accepted is there for the next process, the newest last', () => {
  withFolder((folder) => {
    const log = new SnapshotLog(folder)
    log.setBytesMax(1000)
    log.setBoot({ bootId: 'boot', clean: false })
    for (const number of [1, 2]) assert.deepEqual(log.accept(snapshot(number), `g${number}`), [])
    const again = new SnapshotLog(folder)
    assert.equal(again.newest?.name, snapshot(2).name)
    assert.equal(again.of('g1')?.takenAtMs, 1)
    assert.equal(again.of('g3'), undefined)
    assert.equal(again.bytesMax, 1000)
    assert.deepEqual(again.boot, { bootId: 'boot', clean: false })
  })
})

test('one snapshot may equal several generations; a newer one of the same generation takes its place', () => {
  withFolder((folder) => {
    const log = new SnapshotLog(folder)
    log.accept(snapshot(1, true), 'g1')
    log.accept(snapshot(2), 'g2')
    assert.deepEqual(log.accept(snapshot(1), 'g3'), [])
    assert.deepEqual(log.newest?.generations, ['g1', 'g3'])
    assert.equal(log.of('g1'), log.of('g3'))
    assert.deepEqual(log.accept(snapshot(3), 'g2'), [snapshot(2).name])
  })
})

test('the last few and every checkpoint stay; what goes is told once', () => {
  withFolder((folder) => {
    const log = new SnapshotLog(folder)
    const dropped: string[] = []
    for (let number = 0; number < SNAPSHOTS_MAX + 4; number++)
      dropped.push(...log.accept(snapshot(number, number === 1), `g${number}`))
    assert.deepEqual(
      dropped,
      [0, 2, 3].map((number) => snapshot(number).name),
    )
    assert.equal(log.snapshots.length, SNAPSHOTS_MAX + 1)
  })
})

test('under pressure captures go first, then checkpoints from the oldest on, and the newest at last', () => {
  withFolder((folder) => {
    const log = new SnapshotLog(folder)
    for (let number = 0; number < 5; number++) log.accept(snapshot(number, number % 2 === 0), `g${number}`)
    log.accept(snapshot(5), 'g5')
    const names = (...numbers: readonly number[]) => numbers.map((number) => snapshot(number).name)
    assert.deepEqual(log.shrink(false), names(1, 3))
    assert.deepEqual(log.shrink(false), names(0))
    assert.deepEqual(log.shrink(true), names(2))
    assert.deepEqual(log.shrink(true), names(4))
    assert.deepEqual(log.shrink(false), [])
    assert.deepEqual(log.shrink(true), names(5))
    assert.deepEqual(log.shrink(true), [])
  })
})

test('a record that a loss of power emptied says that the volume is in doubt; none at all says nothing', () => {
  withFolder((folder) => {
    assert.equal(new SnapshotLog(folder).isDoubtedAfter('next'), false)
    const log = new SnapshotLog(folder)
    log.setBoot({ bootId: 'boot', clean: true })
    log.accept(snapshot(1), 'g1')
    assert.equal(new SnapshotLog(folder).isDoubtedAfter('next'), false)
    for (const text of ['', '\0\0\0\0', '{"format":1}', '{"format":2}']) {
      writeFileSync(join(folder, 'volume.json'), text)
      const damaged = new SnapshotLog(folder)
      assert.equal(damaged.isDoubtedAfter('boot'), true, text)
      assert.deepEqual(damaged.snapshots, [])
      damaged.setBoot({ bootId: 'boot', clean: false, doubted: damaged.isDoubtedAfter('boot') })
      assert.equal(new SnapshotLog(folder).isDoubtedAfter('boot'), true)
    }
  })
})

test('a damaged record is an empty one, never a name that leads elsewhere', () => {
  withFolder((folder) => {
    const file = join(folder, 'volume.json')
    new SnapshotLog(folder).accept(snapshot(1), 'g1')
    const text = readFileSync(file, 'utf8')
    const damage = fc.tuple(fc.nat(text.length - 1), fc.constantFrom('', '"', '{', '/', '..', '\0', '7'))
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (edits) => {
        let damaged = text
        for (const [at, put] of edits) damaged = damaged.slice(0, at) + put + damaged.slice(at + 1)
        writeFileSync(file, damaged)
        for (const { name } of new SnapshotLog(folder).snapshots) assert.match(name, /^\d+-[0-9a-f]{8}$/)
      }),
      { numRuns: 300, seed: 11 },
    )
  })
})
