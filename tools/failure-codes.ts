import { isProductionCode, isTestCode, type RepositoryFile } from './repository-files.ts'
import { sourceText } from './source-text.ts'

const TABLE = 'packages/protocol/src/failures.ts'

/** Places where a code is compared with, not thrown. */
const COMPARISONS = /\bisFailure\([^)]*\)|[!=]==\s*'[a-z-]+'|\bcase '[a-z-]+'|\.has\('[a-z-]+'\)/g

export interface CodeUse {
  /** Codes that production code names other than to compare with them. */
  readonly thrown: ReadonlySet<string>
  /** Codes that a test, or test code that runs in tests, names. */
  readonly tested: ReadonlySet<string>
}

/** Which of `codes` are thrown in production and named in tests. */
export function codeUse(files: readonly RepositoryFile[], codes: readonly string[]): CodeUse {
  const production = files.filter((file) => isProductionCode(file.path) && file.path !== TABLE)
  const tests = files.filter((file) => /^(packages|tests)\/.*\.ts$/.test(file.path) && isTestCode(file.path))
  const thrownText = production.map((file) => sourceText(file.text).code.replace(COMPARISONS, '')).join('\n')
  const testText = tests.map((file) => sourceText(file.text).code).join('\n')
  return {
    thrown: new Set(codes.filter((code) => thrownText.includes(`'${code}'`))),
    tested: new Set(codes.filter((code) => new RegExp(`(?<![\\w-])${code}(?![\\w-])`).test(testText))),
  }
}

/** Codes of the table without a use, apart from `notYet`; and entries of `notYet` that have one. */
export function unusedCodeFindings(
  codes: readonly string[],
  used: ReadonlySet<string>,
  notYet: ReadonlySet<string>,
): string[] {
  return codes.flatMap((code) => {
    if (used.has(code) === !notYet.has(code)) return []
    return used.has(code) ? [`${code} is used by now: take it off the list`] : [`${code} is never used`]
  })
}
