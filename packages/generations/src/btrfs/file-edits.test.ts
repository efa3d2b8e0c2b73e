import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { FileEdits } from './file-edits.ts'

const SIZE = 40

type Edit = { readonly start: number; readonly end: number } | { readonly sizeBytes: number }

const anyEdit: fc.Arbitrary<Edit> = fc.oneof(
  fc
    .tuple(fc.nat(SIZE), fc.nat(SIZE))
    .map(([one, other]) => ({ start: Math.min(one, other), end: Math.max(one, other) })),
  fc.nat(SIZE).map((sizeBytes) => ({ sizeBytes })),
)

/** A file by its bytes: 'old' ones have a number of their own, zeros are 0, written ones -1. */
function applyTo(oldSizeBytes: number, edits: readonly Edit[]): number[] {
  let bytes = Array.from({ length: oldSizeBytes }, (_, at) => at + 1)
  const grow = (sizeBytes: number) => {
    while (bytes.length < sizeBytes) bytes.push(0)
  }
  for (const edit of edits) {
    if ('sizeBytes' in edit) {
      bytes = bytes.slice(0, edit.sizeBytes)
      grow(edit.sizeBytes)
    } else if (edit.start < edit.end) {
      grow(edit.end)
      bytes.fill(-1, edit.start, edit.end)
    }
  }
  return bytes
}

test('the old file, cut or zero-extended, differs from the new one only inside the ranges', () => {
  fc.assert(
    fc.property(fc.nat(SIZE), fc.array(anyEdit, { maxLength: 8 }), (oldSizeBytes, list) => {
      const edits = new FileEdits()
      for (const edit of list) {
        if ('sizeBytes' in edit) edits.truncate(edit.sizeBytes)
        else edits.write(edit.start, edit.end)
      }
      const spans = edits.ranges().toArray()
      for (const [at, byte] of applyTo(oldSizeBytes, list).entries()) {
        const old = at < oldSizeBytes ? at + 1 : 0
        const changed = spans.some(({ start, end }) => start <= at && at < end)
        assert.ok(changed || byte === old, `byte ${at} of ${JSON.stringify(list)}`)
      }
    }),
    { numRuns: 2000 },
  )
})

test('a file that shrinks and grows again has changed between both sizes', () => {
  const edits = new FileEdits()
  edits.truncate(10)
  edits.write(50, 60)
  assert.deepEqual(edits.ranges().toArray(), [{ start: 10, end: 60 }])
})

test('a truncation takes back what was written beyond it', () => {
  const edits = new FileEdits()
  edits.write(5, 100)
  edits.truncate(20)
  assert.deepEqual(edits.ranges().toArray(), [{ start: 5, end: 20 }])
})

test('growing a file by truncation alone changes no byte', () => {
  const edits = new FileEdits()
  edits.truncate(1000)
  assert.deepEqual(edits.ranges().toArray(), [])
})
