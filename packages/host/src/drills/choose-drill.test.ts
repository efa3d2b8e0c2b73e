import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GenerationRow } from '@holdfast/generations/index/generation-index'
import { chooseDrill } from './choose-drill.ts'

const EVERY_MS = 1000
const NOW_MS = 50_000

function head(id: string, facts: Partial<GenerationRow>): GenerationRow {
  return {
    ...{ id, workspace: `ws-${id}`, parent: null, sequence: 1, epoch: 1, recordPack: '', root: '' },
    ...{ cause: 'stop', message: '', createdAt: 0, files: 0, bytes: 0, consistency: 'cut' },
    ...{ verifiedAt: null, retained: true, ...facts },
  }
}

function chosen(
  heads: readonly GenerationRow[],
  rests: Readonly<Record<string, number>> = {},
): string | undefined {
  const restsUntilMs = new Map(Object.entries(rests))
  return chooseDrill(heads, { nowMs: NOW_MS, everyMs: EVERY_MS, restsUntilMs })?.id
}

test('what was never proven goes before what was proven long ago, and what waits longest goes first', () => {
  const heads = [head('old', { verifiedAt: 1 }), head('b', { createdAt: 7 }), head('a', { createdAt: 5 })]
  assert.equal(chosen(heads), 'a')
  assert.equal(chosen(heads, { a: NOW_MS + 1 }), 'b')
  assert.equal(chosen(heads, { a: NOW_MS + 1, b: NOW_MS + 1 }), 'old')
  assert.equal(chosen(heads, { a: NOW_MS }), 'a')
})

test('the oldest proof is renewed once it is too old, and none before', () => {
  const heads = [
    head('a', { verifiedAt: NOW_MS - EVERY_MS }),
    head('b', { verifiedAt: NOW_MS - 2 * EVERY_MS }),
  ]
  assert.equal(chosen(heads), 'b')
  assert.equal(chosen([head('c', { verifiedAt: NOW_MS - EVERY_MS + 1 })]), undefined)
  assert.equal(chosen([head('d', { retained: false })]), undefined)
  assert.equal(chosen([]), undefined)
})
