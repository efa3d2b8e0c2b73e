import assert from 'node:assert/strict'
import { test } from 'node:test'
import { longFileFindings, longFunctionFindings } from './sizes.ts'

const BODY = '  step()\n'.repeat(69)

const LONG: readonly string[] = [
  `function a() {\n${BODY}}`,
  `export async function a(\n): Promise<void> {\n${BODY}}`,
  `const a = async (b: number): Promise<{ c: 1 }> => {\n${BODY}}`,
  `class A {\n  get b(): string {\n${BODY}  }\n}`,
  `test('a', () => {\n${BODY}})`,
]

for (const text of LONG) {
  test(`a function of 71 lines that begins ${JSON.stringify(text.slice(0, 30))} is caught`, () => {
    const [finding = '', ...others] = longFunctionFindings([{ path: 'a.ts', text }])
    assert.match(finding, /^a\.ts:\d is a function of 71 lines; the limit is 70$/)
    assert.deepEqual(others, [])
  })
}

const FINE: readonly string[] = [
  `function a() {\n${BODY.slice(9)}}`,
  `class A {\n${BODY}}`,
  `const a = {\n${BODY}}`,
  `if (a) {\n${BODY}} else if (b) {\n${BODY}}`,
  `describe('a', () => {\n${BODY}  test('b', () => {})\n})`,
  `interface A {\n${BODY}}`,
  `const a = () => {}\nconst text = \`{\n${BODY}\``,
]

for (const text of FINE) {
  test(`no function is too long in a text that begins ${JSON.stringify(text.slice(0, 30))}`, () => {
    assert.deepEqual(longFunctionFindings([{ path: 'a.ts', text }]), [])
  })
}

test('a source of more than 400 lines is caught, a document is not', () => {
  const text = 'line\n'.repeat(401)
  const files = [
    { path: 'a.ts', text },
    { path: 'b.c', text: text.slice(5) },
    { path: 'c.md', text },
  ]
  assert.deepEqual(longFileFindings(files), ['a.ts has 401 lines; the limit is 400'])
})
