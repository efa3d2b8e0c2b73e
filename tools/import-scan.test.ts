import assert from 'node:assert/strict'
import { test } from 'node:test'
import { moduleImports } from './import-scan.ts'

function specifiers(text: string): string[] {
  return moduleImports(text).imports.map((found) => found.specifier)
}

const FORMS: readonly (readonly [text: string, specifiers: readonly string[]])[] = [
  [`import a from 'a'`, ['a']],
  [`import { b, type C } from "b"`, ['b']],
  [`import type { D } from './d.ts'`, ['./d.ts']],
  [`import e, { f } from 'e'`, ['e']],
  [`import * as g from 'g'`, ['g']],
  [`import {\n  h,\n  i as j,\n} from 'h'`, ['h']],
  [`import './k.ts'`, ['./k.ts']],
  [`export { l } from 'l'`, ['l']],
  [`export type { M } from 'm'`, ['m']],
  [`export * from 'n'\nexport * as o from 'o'`, ['n', 'o']],
  [`const p = await import('p')`, ['p']],
  [`type Q = typeof import('q')`, ['q']],
  [`import a from 'a'\nexport const b = 1\nimport { c } from 'c'`, ['a', 'c']],
  [`export const r = s // from 't'`, []],
  [`// import u from 'u'\n/* import v from 'v' */`, []],
  [`const w = "import x from 'x'"\nconst y = \`import('y')\``, []],
  [`export { z }\nconst from = 'not this'`, []],
]

for (const [text, expected] of FORMS) {
  test(`imports are read from ${JSON.stringify(text)}`, () => {
    assert.deepEqual(specifiers(text), expected)
  })
}

test('an import knows its line', () => {
  assert.deepEqual(moduleImports(`import a from 'a'\n\nimport {\n  b,\n} from 'b'`).imports, [
    { specifier: 'a', line: 1 },
    { specifier: 'b', line: 5 },
  ])
})

test('an import of a computed name is opaque', () => {
  assert.deepEqual(moduleImports(`\nawait import(name)\nimport(\`./\${name}.ts\`)`).opaqueLines, [2, 3])
  assert.deepEqual(moduleImports(`import('a')\nimport.meta.url`).opaqueLines, [])
})

test('a file of re-exports only is a barrel', () => {
  assert.ok(moduleImports(`// all\nexport { a } from 'a'\nexport * from 'b'`).isBarrel)
  assert.ok(moduleImports(`import { a } from 'a'\nexport { a }`).isBarrel)
})

test('a file with a statement of its own is no barrel', () => {
  assert.ok(!moduleImports(`export { a } from 'a'\nexport const b = 1`).isBarrel)
  assert.ok(!moduleImports(`import './a.ts'`).isBarrel)
  assert.ok(!moduleImports('').isBarrel)
})
