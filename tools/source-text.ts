/** A TypeScript source with parts of it turned into spaces; lengths and line breaks are those of the text. */
export interface SourceText {
  /** Without comments. */
  readonly code: string
  /** Without comments and without what stands inside strings, templates and regular expressions. */
  readonly bare: string
}

interface Span {
  readonly kind: 'comment' | 'content'
  readonly start: number
  readonly end: number
}

/** Tells code from comments and literals, well enough for sources that a formatter has laid out. */
export function sourceText(text: string): SourceText {
  const spans: Span[] = []
  scanCode(text, 0, spans)
  return {
    code: blank(
      text,
      spans.filter((span) => span.kind === 'comment'),
    ),
    bare: blank(text, spans),
  }
}

/** Scans up to the end, or to the `}` that ends a template's placeholder; returns the offset behind it. */
function scanCode(text: string, from: number, spans: Span[]): number {
  let depth = 0
  for (let at = from; at < text.length; ) {
    const char = text.charAt(at)
    if (char === '{') depth += 1
    if (char === '}') {
      if (depth === 0) return at + 1
      depth -= 1
    }
    at = scanLiteral(text, at, spans) ?? at + 1
  }
  return text.length
}

/** The offset behind the comment or literal that starts at `at`; undefined if none does. */
function scanLiteral(text: string, at: number, spans: Span[]): number | undefined {
  const char = text.charAt(at)
  if (char === "'" || char === '"') return note(spans, 'content', at + 1, quotedEnd(text, at)) + 1
  if (char === '`') return scanTemplate(text, at + 1, spans)
  if (char !== '/') return undefined
  if (text.startsWith('//', at)) return note(spans, 'comment', at, indexOrEnd(text, '\n', at))
  if (text.startsWith('/*', at)) return note(spans, 'comment', at, indexOrEnd(text, '*/', at + 2) + 2)
  if (!startsRegularExpression(text, at)) return undefined
  return note(spans, 'content', at + 1, regularExpressionEnd(text, at)) + 1
}

function scanTemplate(text: string, from: number, spans: Span[]): number {
  let start = from
  for (let at = from; at < text.length; ) {
    if (text.charAt(at) === '`') return note(spans, 'content', start, at) + 1
    if (text.startsWith('${', at)) {
      note(spans, 'content', start, at)
      at = scanCode(text, at + 2, spans)
      start = at
    } else at += text.charAt(at) === '\\' ? 2 : 1
  }
  return text.length
}

function note(spans: Span[], kind: Span['kind'], start: number, end: number): number {
  spans.push({ kind, start, end })
  return end
}

function quotedEnd(text: string, start: number): number {
  const quote = text.charAt(start)
  let at = start + 1
  while (at < text.length && text.charAt(at) !== quote && text.charAt(at) !== '\n') {
    at += text.charAt(at) === '\\' ? 2 : 1
  }
  return at
}

function regularExpressionEnd(text: string, start: number): number {
  let inClass = false
  for (let at = start + 1; at < text.length; at++) {
    const char = text.charAt(at)
    if (char === '\\') at += 1
    else if (char === '[') inClass = true
    else if (char === ']') inClass = false
    else if ((char === '/' && !inClass) || char === '\n') return at
  }
  return text.length
}

/** A `/` divides behind a value and starts a regular expression anywhere else. */
function startsRegularExpression(text: string, at: number): boolean {
  const before = text.slice(Math.max(0, at - 200), at).trimEnd()
  if (/\b(return|typeof|case|in|of|throw|await|yield|else)$/.test(before)) return true
  return !/[\w$)\]}'"`]$/.test(before)
}

function indexOrEnd(text: string, wanted: string, from: number): number {
  const found = text.indexOf(wanted, from)
  return found < 0 ? text.length : found
}

function blank(text: string, spans: readonly Span[]): string {
  let result = ''
  let at = 0
  for (const { start, end } of [...spans].sort((a, b) => a.start - b.start)) {
    result += text.slice(at, start) + text.slice(start, end).replace(/[^\n]/g, ' ')
    at = Math.max(at, end)
  }
  return result + text.slice(at)
}

/** The line, counted from 1, that `offset` is on. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}
