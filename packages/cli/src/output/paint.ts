/** Where colour goes: nowhere unless the stream is a terminal and NO_COLOR is not set. */
export type Paint = (style: keyof typeof STYLES, text: string) => string

const STYLES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const

export const plainPaint: Paint = (_style, text) => text

export const colourPaint: Paint = (style, text) => {
  const [on, off] = STYLES[style]
  return text === '' ? '' : `\x1b[${on}m${text}\x1b[${off}m`
}
