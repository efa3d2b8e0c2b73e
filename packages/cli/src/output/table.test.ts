import assert from 'node:assert/strict'
import { test } from 'node:test'
import stringWidth from 'string-width'
import { colourPaint } from './paint.ts'
import { type Column, cutToWidth, formatPairs, formatTable } from './table.ts'

interface Row {
  readonly name: string
  readonly size: string
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'NAME', cell: ({ name }) => name, shrinks: true },
  { title: 'SIZE', cell: ({ size }) => size, align: 'right' },
]

test('columns are as wide as their content, and numbers stand on the right', () => {
  const rows = [
    { name: 'a', size: '1 B' },
    { name: 'long name', size: '120 MB' },
  ]
  assert.equal(formatTable(COLUMNS, rows), 'NAME         SIZE\na             1 B\nlong name  120 MB\n')
})

test('characters of two columns keep the columns straight', () => {
  const [, first = '', second = ''] = formatTable(COLUMNS, [
    { name: '日本語', size: '1 B' },
    { name: 'abcdef', size: '1 B' },
  ]).split('\n')
  assert.equal(stringWidth(first), stringWidth(second))
})

test('no line is wider than the terminal', () => {
  const rows = [{ name: 'x'.repeat(300), size: '1 B' }]
  for (const line of formatTable(COLUMNS, rows, { width: 40 }).split('\n'))
    assert.ok(stringWidth(line) <= 40, line)
})

test('a narrow terminal loses the columns that matter least, rightmost first', () => {
  const columns: Column<Row>[] = [
    { title: 'NAME', cell: ({ name }) => name },
    { title: 'LESS', cell: () => 'b'.repeat(10), drops: true },
    { title: 'LEAST', cell: () => 'c'.repeat(10), drops: true },
    { title: 'SIZE', cell: ({ size }) => size },
  ]
  const heads = [80, 24, 12, 7].map(
    (width) => formatTable(columns, [{ name: 'a', size: '1 B' }], { width }).split('\n')[0],
  )
  assert.deepEqual(heads, [
    'NAME  LESS        LEAST       SIZE',
    'NAME  LESS        SIZE',
    'NAME  SIZE',
    'NAME  …',
  ])
})

test('without a terminal nothing is cut', () => {
  const name = 'x'.repeat(300)
  assert.ok(formatTable(COLUMNS, [{ name, size: '1 B' }]).includes(name))
})

test('a cell cannot move the cursor, colour the screen or end its line', () => {
  const shown = formatTable(COLUMNS, [{ name: 'a\x1b[31m\nb\x9b2J', size: '\u202e1' }])
  assert.ok(shown.includes('a\\x1b[31m\\x0ab\\x9b2J'))
  assert.ok(shown.includes('\\u{202e}1'))
})

test('a head is bold where there are colours', () => {
  const bold = (text: string) => `\x1b[1m${text}\x1b[22m\n`
  assert.equal(formatTable(COLUMNS, [], { paint: colourPaint }), bold('NAME  SIZE'))
})

test('pairs stand under each other', () => {
  assert.equal(
    formatPairs([
      ['a', '1'],
      ['long', '2'],
    ]),
    '  a     1\n  long  2\n',
  )
})

test('a cut shows that something is missing', () => {
  assert.equal(cutToWidth('abcdef', 4), 'abc…')
  assert.equal(cutToWidth('日本語', 5), '日本…')
  assert.equal(cutToWidth('abcd', 4), 'abcd')
})
