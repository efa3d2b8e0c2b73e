import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandomness } from '@holdfast/testkit/seeded-numbers'
import fc from 'fast-check'
import { type ChunkSizes, cutPoints, DEFAULT_CHUNK_SIZES, nextCut } from './fast-cdc.ts'
import { GEAR_WINDOW_BYTES, gearTable } from './gear.ts'

const MIB = 1024 * 1024
const SMALL: ChunkSizes = { chunkBytesMin: 64, chunkBytesAverage: 256, chunkBytesMax: 1024 }
/** A fixed seed: whether boundaries meet again soon is a matter of probability. */
const SEED = 20_160_622

const noise = fc
  .tuple(fc.nat(), fc.integer({ min: 0, max: 12_000 }))
  .map(([seed, count]) => seededRandomness(seed).bytes(count))
const repetitive = fc
  .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 0, max: 400 }))
  .map(([unit, times]) =>
    Uint8Array.from({ length: unit.length * times }, (_, at) => unit[at % unit.length] ?? 0),
  )
const content = fc.oneof(noise, repetitive, fc.uint8Array({ maxLength: 3_000 }))

/** The chunker as the docstring of `nextCut` words it: every window is hashed anew. */
function plainCutPoints(bytes: Uint8Array, sizes: ChunkSizes): number[] {
  const gear = gearTable()
  const bits = Math.log2(sizes.chunkBytesAverage)
  const cuts: number[] = []
  for (let start = 0; start < bytes.length; start = cuts.at(-1) ?? 0) {
    const limit = Math.min(bytes.length, start + sizes.chunkBytesMax)
    let cut = Math.min(limit, start + sizes.chunkBytesMin)
    for (; cut < limit; cut++) {
      const zeroBits = cut - start <= sizes.chunkBytesAverage ? bits + 2 : bits - 2
      let hash = 0
      for (const byte of bytes.subarray(cut - GEAR_WINDOW_BYTES, cut))
        hash = (hash * 2 + (gear[byte] ?? 0)) | 0
      if (Math.clz32(hash) >= zeroBits) break
    }
    cuts.push(cut)
  }
  return cuts
}

function lengths(cuts: readonly number[]): number[] {
  return cuts.map((cut, index) => cut - (cuts[index - 1] ?? 0))
}

test('the chunks, put together, are the input', () => {
  fc.assert(
    fc.property(content, (bytes) => {
      const cuts = cutPoints(bytes, SMALL)
      const chunks = cuts.map((cut, index) => bytes.subarray(cuts[index - 1] ?? 0, cut))
      assert.deepEqual(Buffer.concat(chunks), Buffer.from(bytes))
    }),
  )
})

test('no chunk but the last is under the minimum and none is over the maximum', () => {
  fc.assert(
    fc.property(content, (bytes) => {
      const sizes = lengths(cutPoints(bytes, SMALL))
      for (const size of sizes) assert.ok(size > 0 && size <= SMALL.chunkBytesMax)
      for (const size of sizes.slice(0, -1)) assert.ok(size >= SMALL.chunkBytesMin)
    }),
  )
})

test('cutting words at a time finds the cuts of hashing every window anew', () => {
  fc.assert(
    fc.property(content, (bytes) => {
      assert.deepEqual(cutPoints(bytes, SMALL), plainCutPoints(bytes, SMALL))
    }),
  )
})

test('cutting while bytes arrive gives the cuts of the whole', () => {
  const arrivals = fc.array(fc.integer({ min: 1, max: 2_000 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(noise, arrivals, (bytes, steps) => {
      const cuts: number[] = []
      let start = 0
      for (let end = 0, turn = 0; end < bytes.length; turn++) {
        end = Math.min(bytes.length, end + (steps[turn % steps.length] ?? 1))
        while (start < end) {
          const cut = nextCut(bytes, start, end, SMALL)
          if (cut === end && end < bytes.length && cut - start < SMALL.chunkBytesMax) break
          cuts.push(cut)
          start = cut
        }
      }
      assert.deepEqual(cuts, cutPoints(bytes, SMALL))
    }),
  )
})

test('a chunk is cut alike wherever its bytes lie in memory', () => {
  fc.assert(
    fc.property(noise, fc.integer({ min: 1, max: 9 }), (bytes, shift) => {
      const moved = new Uint8Array(bytes.length + shift).subarray(shift)
      moved.set(bytes)
      assert.deepEqual(cutPoints(moved, SMALL), cutPoints(bytes, SMALL))
    }),
  )
})

test('an insertion changes at most 12 chunks: the cuts before it stay and those after it meet again', () => {
  const bytes = seededRandomness(SEED).bytes(64 * 1024)
  const before = cutPoints(bytes, SMALL)
  const insertion = fc.tuple(
    fc.integer({ min: 0, max: bytes.length }),
    fc.uint8Array({ minLength: 1, maxLength: 600 }),
  )
  fc.assert(
    fc.property(insertion, ([at, inserted]) => {
      const edited = Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at)])
      const after = new Set(cutPoints(edited, SMALL))
      const kept = before.filter((cut) => cut <= at - SMALL.chunkBytesMax)
      assert.ok(kept.every((cut) => after.has(cut)))
      const lost = before.filter((cut) => !after.has(cut < at ? cut : cut + inserted.length))
      assert.ok(lost.length <= 12, `${lost.length} cuts moved`)
    }),
    { seed: SEED, numRuns: 300 },
  )
})

test('chunks of random bytes average between 50 and 90 KiB', () => {
  const bytes = seededRandomness(SEED).bytes(8 * MIB)
  const average = bytes.length / cutPoints(bytes).length / 1024
  assert.ok(average > 50 && average < 90, `${average.toFixed(1)} KiB`)
})

test('equal bytes without any boundary are cut at the maximum', () => {
  const cuts = cutPoints(new Uint8Array(MIB))
  assert.deepEqual(new Set(lengths(cuts)), new Set([DEFAULT_CHUNK_SIZES.chunkBytesMax]))
})

test('the cuts of a known input never change', () => {
  const cuts = [
    68308, 138480, 214129, 292869, 372735, 408130, 475830, 553251, 624838, 711330, 791761, 877112, 979189,
    1044937, 1048576,
  ]
  assert.deepEqual(cutPoints(seededRandomness(1).bytes(MIB)), cuts)
})

test('an empty input has no chunk, a short one has one', () => {
  assert.deepEqual(cutPoints(new Uint8Array(0)), [])
  assert.deepEqual(cutPoints(new Uint8Array(1)), [1])
})

test('sizes that cannot be kept and chunks outside their bytes are refused', () => {
  const bytes = new Uint8Array(10)
  assert.throws(() => cutPoints(bytes, { ...SMALL, chunkBytesAverage: 300 }), /power of two/)
  assert.throws(() => cutPoints(bytes, { ...SMALL, chunkBytesAverage: 64, chunkBytesMin: 32 }), /128 bytes/)
  assert.throws(() => cutPoints(bytes, { ...SMALL, chunkBytesMin: 63 }), /in order/)
  assert.throws(() => cutPoints(bytes, { ...SMALL, chunkBytesMax: 256 }), /in order/)
  assert.throws(() => nextCut(bytes, 10, 10, SMALL), /inside its bytes/)
  assert.throws(() => nextCut(bytes, 0, 11, SMALL), /inside its bytes/)
})
