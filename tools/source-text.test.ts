import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { lineAt, sourceText } from './source-text.ts'

const CASES: readonly { readonly text: string; readonly code: string; readonly bare: string }[] = [
  { text: `a() // b('x')`, code: `a()          `, bare: `a()          ` },
  { text: `a /* b\nc */ d`, code: `a     \n     d`, bare: `a     \n     d` },
  { text: `f('//x') + 1`, code: `f('//x') + 1`, bare: `f('   ') + 1` },
  { text: `f('it\\'s', "q'")`, code: `f('it\\'s', "q'")`, bare: `f('     ', "  ")` },
  { text: `f(\`a \${g("}")} b\`)`, code: `f(\`a \${g("}")} b\`)`, bare: `f(\`  \${g(" ")}  \`)` },
  { text: `f(\`\${\`x\${y}\`}z\`)`, code: `f(\`\${\`x\${y}\`}z\`)`, bare: `f(\`\${\` \${y}\`} \`)` },
  { text: `x.match(/'[/]"/g) + 'y'`, code: `x.match(/'[/]"/g) + 'y'`, bare: `x.match(/     /g) + ' '` },
  { text: `a / b / c // d`, code: `a / b / c     `, bare: `a / b / c     ` },
  { text: `return /a'b/`, code: `return /a'b/`, bare: `return /   /` },
  { text: 'if (a) { b() } // {', code: 'if (a) { b() }     ', bare: 'if (a) { b() }     ' },
]

for (const { text, code, bare } of CASES) {
  test(`comments and literals are told apart in ${JSON.stringify(text)}`, () => {
    assert.deepEqual(sourceText(text), { code, bare })
  })
}

test('no text, however broken, changes its length or its lines', () => {
  const broken = fc.array(
    fc.constantFrom('`', '${', '}', '{', "'", '"', '/', '*', '//', '\n', '\\', 'a', '[', ']'),
  )
  fc.assert(
    fc.property(broken, (parts) => {
      const text = parts.join('')
      const { code, bare } = sourceText(text)
      for (const blanked of [code, bare]) {
        assert.equal(blanked.length, text.length)
        assert.equal(lineAt(blanked, blanked.length), lineAt(text, text.length))
      }
    }),
    { numRuns: 2_000 },
  )
})
