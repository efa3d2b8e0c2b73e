import { type Paint, plainPaint } from './paint.ts'
import { printable } from './printable.ts'
import { textWidth } from './text-width.ts'

export interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => string
  readonly align?: 'right'
  /** Cut off with an ellipsis where the terminal is too narrow. One column of a table may be. */
  readonly shrinks?: true
  /** Left out, rightmost first, where the terminal is too narrow for it. */
  readonly drops?: true
}

const GAP = '  '
const SHRUNK_WIDTH_MIN = 8

/** A column with its cells, as wide as the widest of them. */
interface Measured<Row> {
  readonly column: Column<Row>
  readonly cells: readonly string[]
  readonly width: number
}

/**
 * Rows under a head, in columns as wide as their content. With `width` (columns of the terminal) no line wraps: columns
 * are left out or cut. Cells are made printable.
 */
export function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  look: { readonly paint?: Paint; readonly width?: number | undefined } = {},
): string {
  const { paint = plainPaint, width = Number.POSITIVE_INFINITY } = look
  const shown = fitColumns(
    columns.map((column) => measure(column, rows)),
    width,
  )
  const line = (textOf: (measured: Measured<Row>) => string) => {
    const texts = shown.map((measured) => fit(textOf(measured), measured.width, measured.column.align))
    return cutToWidth(texts.join(GAP).trimEnd(), width)
  }
  const head = paint(
    'bold',
    line(({ column }) => column.title),
  )
  const body = rows.map((_, index) => line(({ cells }) => cells[index] ?? ''))
  return [head, ...body].map((text) => `${text}\n`).join('')
}

/** Names and what they are, one pair a line: `  store   /var/lib/…`. */
export function formatPairs(pairs: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(0, ...pairs.map(([name]) => textWidth(name)))
  return pairs
    .map(([name, value]) => `  ${fit(name, width)}${GAP}${printable(value)}`.trimEnd())
    .map((text) => `${text}\n`)
    .join('')
}

/** The text cut to `width` columns, with an ellipsis where something is missing. */
export function cutToWidth(text: string, width: number): string {
  if (textWidth(text) <= width) return text
  let cut = ''
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (textWidth(cut + segment) > width - 1) break
    cut += segment
  }
  return `${cut}…`
}

function measure<Row>(column: Column<Row>, rows: readonly Row[]): Measured<Row> {
  const cells = rows.map((row) => printable(column.cell(row)))
  let width = textWidth(column.title)
  for (const cell of cells) width = Math.max(width, textWidth(cell))
  return { column, cells, width }
}

/** Columns that fit into a line of `width`: some are left out, then one is cut. */
function fitColumns<Row>(measured: readonly Measured<Row>[], width: number): readonly Measured<Row>[] {
  const total = (each: readonly Measured<Row>[], widthOf: (one: Measured<Row>) => number) =>
    each.reduce((sum, one) => sum + widthOf(one) + GAP.length, -GAP.length)
  const least = (one: Measured<Row>) =>
    one.column.shrinks ? Math.min(one.width, SHRUNK_WIDTH_MIN) : one.width
  let shown = measured
  for (const candidate of measured.filter(({ column }) => column.drops).reverse()) {
    if (total(shown, least) > width) shown = shown.filter((one) => one !== candidate)
  }
  const excess = Math.max(0, total(shown, ({ width }) => width) - width)
  return shown.map((one) =>
    one.column.shrinks ? { ...one, width: Math.max(least(one), one.width - excess) } : one,
  )
}

function fit(text: string, width: number, align?: 'right'): string {
  const cut = cutToWidth(text, width)
  const padding = ' '.repeat(Math.max(0, width - textWidth(cut)))
  return align === 'right' ? padding + cut : cut + padding
}
