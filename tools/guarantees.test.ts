import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guaranteeFindings } from './guarantees.ts'

const HEAD = '# Guarantees\n\n| promise   | what it means | tests  |\n| --------- | --- | --- |\n'
const PATHS = new Set(['tests/a.test.ts', 'packages/base/src/b.fuzz.ts'])

const ROWS: readonly (readonly [row: string, findings: readonly string[]])[] = [
  ['| I1 single writer | one | `tests/a.test.ts`, `packages/base/src/b.fuzz.ts` |', []],
  ['| **I2** fail-stop | `lease` | `tests/a.test.ts` |', []],
  ['| I4 recovery | `tests/a.test.ts` | |', ['I4 names no test']],
  ['| I5 sync | ok | `tests/gone.test.ts` |', ['I5 names tests/gone.test.ts, which does not exist']],
  ['| I12 audit | ok | `docs/audit.md` |', ['I12 names docs/audit.md, which is no test file']],
]

for (const [row, findings] of ROWS) {
  test(`the row ${row} ${findings.length === 0 ? 'is proven' : 'is caught'}`, () => {
    assert.deepEqual(guaranteeFindings(`${HEAD}${row}\n`, PATHS), findings)
  })
}

test('a page without the table is caught', () => {
  assert.deepEqual(guaranteeFindings('# Guarantees\n', PATHS), [
    "docs/guarantees.md has no table whose last column is 'tests'",
  ])
})
