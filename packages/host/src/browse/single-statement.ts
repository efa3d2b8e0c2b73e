import { Failure } from '@holdfast/base/failure'

/** Spaces, comments, quoted things, words, and any other character. */
const TOKEN =
  /\s+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*'?|"(?:[^"]|"")*"?|`(?:[^`]|``)*`?|\[[^\]]*\]?|\w+|[\s\S]/gy
const NOTHING = /^(?:\s|--|\/\*)/
const READING: ReadonlySet<string> = new Set(['SELECT', 'WITH', 'VALUES', 'EXPLAIN'])

/**
 * Rejects with `invalid-argument` unless the SQL is one statement that reads. SQLite compiles the first statement of a
 * text and leaves the rest, which whoever wrote it would believe to have run.
 */
export function requireReading(sql: string): void {
  if (sql.includes('\0')) throw refusal('SQL holds no zero byte')
  const tokens = (sql.match(TOKEN) ?? []).filter((token) => !NOTHING.test(token))
  const [first = ''] = tokens
  if (!READING.has(first.toUpperCase()))
    throw refusal('a generation is only read: the query begins with SELECT, WITH, VALUES or EXPLAIN')
  const end = tokens.indexOf(';')
  if (end >= 0 && end < tokens.length - 1) throw refusal('one statement at a time: something follows the `;`')
}

function refusal(message: string): Failure {
  return new Failure('invalid-argument', message)
}
