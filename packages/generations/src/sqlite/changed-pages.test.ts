import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changedPages, type FileChanges } from './changed-pages.ts'
import { lockPageNumber } from './database-header.ts'
import type { CapturedPages } from './database-state.ts'
import { type WalIndex, type WalPosition, walIndexOf } from './wal-index.ts'

const pageBytes = 4096

function captured(pageCount: number, overlay?: WalIndex): CapturedPages & { overlay: WalIndex | undefined } {
  return {
    pageBytes,
    pageCount,
    overlaidPages: overlay?.overlaidPages ?? new Uint32Array(),
    walEnd: overlay?.end,
    overlay,
  }
}

function positionAt(frame: number): WalPosition {
  return { salt1: 1, salt2: 2, pageBytes, frame, checksum1: frame, checksum2: frame }
}

/** An overlay from page to frame. */
function overlay(frames: Readonly<Record<number, number>>, pageCount: number, continues?: number): WalIndex {
  const frameOfPage = new Map(Object.entries(frames).map(([page, frame]) => [Number(page), frame]))
  return walIndexOf({
    frameOfPage,
    pageCount,
    end: positionAt(Math.max(...frameOfPage.values())),
    continues: continues === undefined ? undefined : positionAt(continues),
  })
}

function changes(
  previous: CapturedPages | undefined,
  current: ReturnType<typeof captured>,
  fileChanges: FileChanges = [],
): number[] {
  return [...changedPages({ previous, current, fileChanges })]
}

test('a page touched by a changed range is named, whichever part of it', () => {
  const ranges = [
    { offset: 4095, length: 2 },
    { offset: 5 * 4096, length: 0 },
    { offset: 8 * 4096, length: 4096 },
    { offset: 11 * 4096, length: 1e9 },
  ]
  assert.deepEqual(changes(captured(12), captured(12), ranges), [1, 2, 9, 12])
})

test('pages overlaid before and pages overlaid now are named', () => {
  const before = captured(10, overlay({ 3: 1, 4: 2 }, 10))
  assert.deepEqual(changes(before, captured(10)), [3, 4])
  assert.deepEqual(changes(before, captured(10, overlay({ 7: 1 }, 10))), [3, 4, 7])
})

test('a page whose newest frame is proven to be the earlier one is not named', () => {
  const before = captured(10, overlay({ 3: 1, 4: 2 }, 10))
  const proven = captured(10, overlay({ 3: 1, 4: 5, 8: 6 }, 10, 2))
  assert.deepEqual(changes(before, proven, [{ offset: 0, length: 3 * 4096 }]), [1, 2, 4, 8])
  const unproven = captured(10, overlay({ 3: 1, 4: 5, 8: 6 }, 10))
  assert.deepEqual(changes(before, unproven), [3, 4, 8])
  const provenOfOther = captured(10, overlay({ 3: 1, 4: 5, 8: 6 }, 10, 1))
  assert.deepEqual(changes(before, provenOfOther), [3, 4, 8])
})

test('a database that shrank and grew again names every page above the smaller count', () => {
  const shrunk = captured(7, overlay({ 1: 1, 9: 2 }, 7))
  const grown = captured(10, overlay({ 1: 4, 9: 2 }, 10, 2))
  assert.deepEqual(changes(shrunk, grown), [1, 8, 9, 10])
})

test('pages above the present count are not named', () => {
  const before = captured(10, overlay({ 2: 1, 9: 2 }, 10))
  assert.deepEqual(changes(before, captured(5), [{ offset: 0, length: 1e6 }]), [1, 2, 3, 4, 5])
  assert.deepEqual(changes(before, captured(5)), [2])
})

test('every page is named without a previous capture, with another page size, or with unknown changes', () => {
  assert.deepEqual(changes(undefined, captured(3)), [1, 2, 3])
  assert.deepEqual(changes({ ...captured(3), pageBytes: 512 }, captured(3)), [1, 2, 3])
  assert.deepEqual(changes(captured(3), captured(3), 'unknown'), [1, 2, 3])
})

test('the lock page is never named', () => {
  const lockPage = lockPageNumber(pageBytes)
  const pages = changedPages({
    previous: undefined,
    current: captured(lockPage + 1),
    fileChanges: 'unknown',
  })
  assert.equal(pages.length, lockPage)
  assert(!pages.includes(lockPage))
})
