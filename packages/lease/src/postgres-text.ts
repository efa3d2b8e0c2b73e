/** A character of no language: U+E000, for private use. */
const ESCAPE = '\ue000'
const NUL = '\u0000'

/** Postgres stores every character but U+0000, which becomes `ESCAPE 0`; the escape itself becomes `ESCAPE 1`. */
export function toStored(text: string): string {
  return text.replaceAll(ESCAPE, `${ESCAPE}1`).replaceAll(NUL, `${ESCAPE}0`)
}

export function fromStored(text: string): string {
  return text.replace(/\ue000([01])/g, (_, digit) => (digit === '0' ? NUL : ESCAPE))
}
