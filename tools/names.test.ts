import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nameFindings, wordsOf } from './names.ts'

const PATH = 'packages/base/src/lease.ts'

const FORBIDDEN: readonly (readonly [text: string, name: string])[] = [
  ['export class LeaseManager {}', 'LeaseManager'],
  ['export interface PackInfo {}', 'PackInfo'],
  ['export const PACK_DATA = 1', 'PACK_DATA'],
  ['export type StoreImpl = 1', 'StoreImpl'],
  ['export async function doCommit() {}', 'doCommit'],
  ['export function processPack() {}', 'processPack'],
  ['export interface IStore {}', 'IStore'],
  ['export const sharedTable = 1', 'sharedTable'],
]

for (const [text, name] of FORBIDDEN) {
  test(`the name ${name} is caught`, () => {
    const [finding = '', ...others] = nameFindings([{ path: PATH, text: `// first\n${text}` }])
    assert.ok(finding.startsWith(`${PATH}:2 exports ${name}: `))
    assert.deepEqual(others, [])
  })
}

test('names that only resemble forbidden ones are kept', () => {
  const names = ['function dataRanges()', 'class Information', 'const utilisation', 'function download()']
  const more = [
    'interface IoFailure',
    'const processId',
    'interface Implicit',
    'function dots()',
    'type Committed',
  ]
  const text = [...names, ...more].map((name) => `export ${name} {}`).join('\n')
  assert.deepEqual(nameFindings([{ path: PATH, text }]), [])
})

test('what is not exported, or only spoken of, is free', () => {
  const text = 'const data = 1\n// export const info = 1\nconst text = `\nexport const info = 1\n`'
  assert.deepEqual(nameFindings([{ path: PATH, text }]), [])
})

test('file names are checked by their words', () => {
  const paths = ['a/lease-utils.ts', 'a/data-range.ts', 'a/leaseTable.ts', 'a/lease.test.ts', 'a/database.ts']
  const findings = nameFindings(paths.map((path) => ({ path, text: '' })))
  assert.deepEqual(findings, [
    "a/lease-utils.ts: 'utils' says nothing",
    "a/data-range.ts: 'data' says nothing",
    'a/leaseTable.ts: file names are kebab-case',
  ])
})

test('a name falls into words at its capitals and underscores', () => {
  assert.deepEqual(wordsOf('packData'), ['pack', 'data'])
  assert.deepEqual(wordsOf('WALFrame2Row'), ['wal', 'frame2', 'row'])
  assert.deepEqual(wordsOf('PACK_DATA'), ['pack', 'data'])
})
