import { FAILURES, type FailureCode, type FailureKind } from '@holdfast/protocol/failures'

export const FAILURES_PAGE = 'docs/failures.md'

const INTRODUCTION = `# Failures

Every failure that crosses a process boundary or reaches a person has one of these codes. The tables are made from
\`packages/protocol/src/failures.ts\` by \`node tools/write-failures-page.ts\`; a test keeps both equal.
`

const KINDS: Readonly<Record<FailureKind, readonly [meaning: string, consequence: string]>> = {
  refused: ['the caller must change something', '4xx, logged at info'],
  unavailable: ['try again; the only kind that is retried', '503 or 507'],
  fenced: ["this writer's authority has ended", 'the writer stops; no alert'],
  broken: ['an invariant or stored bytes are wrong', 'the evidence is kept, an alert is raised'],
}

/** The codes of the closed table, in its order. */
export function failureCodes(): FailureCode[] {
  return Object.keys(FAILURES).filter((code): code is FailureCode => code in FAILURES)
}

/** The text of `docs/failures.md`. */
export function failuresPage(): string {
  const kinds = Object.entries(KINDS).map(([kind, cells]) => [`\`${kind}\``, ...cells])
  const codes = failureCodes().map((code) => {
    const { kind, http, hint } = FAILURES[code]
    return [`\`${code}\``, kind, String(http), hint]
  })
  return [
    INTRODUCTION,
    table([['kind', 'meaning', 'what happens'], ...kinds]),
    table([['code', 'kind', 'HTTP', 'what to do'], ...codes]),
  ].join('\n')
}

/** A Markdown table of which the first row is the head, its columns aligned as the formatter wants them. */
function table(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const rule = widths.map((width) => '-'.repeat(width))
  return [head, rule, ...body]
    .map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |\n`)
    .join('')
}
