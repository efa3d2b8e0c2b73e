import stringWidth from 'string-width'
import { type Paint, plainPaint } from './paint.ts'
import { printable } from './printable.ts'

export interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => string
  readonly align?: 'right'
  /** Cut off with an ellipsis where the terminal is too narrow. One column of a table may be. */
  readonly shrinks?: true
}

const GAP = '  '
const SHRUNK_WIDTH_MIN = 8

/**
 * Rows under a head, in columns as wide as their content. With `width` (columns of the terminal) the shrinking column
 * is cut so that no line wraps. Cells are made printable.
 */
export function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  look: { readonly paint?: Paint; readonly width?: number | undefined } = {},
): string {
  const cells = rows.map((row) => columns.map((column) => printable(column.cell(row))))
  const widths = fittedWidths(columns, cells, look.width)
  const line = (texts: readonly string[]) =>
    texts
      .map((text, index) => fit(text, widths[index] ?? 0, columns[index]?.align))
      .join(GAP)
      .trimEnd()
  const paint = look.paint ?? plainPaint
  const head = paint('bold', line(columns.map((column) => column.title)))
  return [head, ...cells.map(line)].map((text) => `${text}\n`).join('')
}

/** Names and what they are, one pair a line: `  store   /var/lib/…`. */
export function formatPairs(pairs: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(0, ...pairs.map(([name]) => stringWidth(name)))
  return pairs
    .map(([name, value]) => `  ${fit(name, width)}${GAP}${printable(value)}`.trimEnd())
    .map((text) => `${text}\n`)
    .join('')
}

/** The text cut to `width` columns, with an ellipsis where something is missing. */
export function cutToWidth(text: string, width: number): string {
  if (stringWidth(text) <= width) return text
  let cut = ''
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (stringWidth(cut + segment) > width - 1) break
    cut += segment
  }
  return `${cut}…`
}

function fittedWidths<Row>(
  columns: readonly Column<Row>[],
  cells: readonly (readonly string[])[],
  width: number | undefined,
): number[] {
  const widths = columns.map((column, index) =>
    Math.max(stringWidth(column.title), ...cells.map((row) => stringWidth(row[index] ?? ''))),
  )
  const shrinking = columns.findIndex((column) => column.shrinks)
  if (width === undefined || shrinking < 0) return widths
  const total = widths.reduce((sum, each) => sum + each + GAP.length, -GAP.length)
  const natural = widths[shrinking] ?? 0
  widths[shrinking] = Math.min(natural, Math.max(SHRUNK_WIDTH_MIN, natural - Math.max(0, total - width)))
  return widths
}

function fit(text: string, width: number, align?: 'right'): string {
  const cut = cutToWidth(text, width)
  const padding = ' '.repeat(Math.max(0, width - stringWidth(cut)))
  return align === 'right' ? padding + cut : cut + padding
}
