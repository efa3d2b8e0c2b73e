import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bannedTextFindings } from './banned-text.ts'
import { codeUse, unusedCodeFindings } from './failure-codes.ts'
import { FAILURES_PAGE, failureCodes, failuresPage } from './failures-page.ts'
import { GUARANTEES_PAGE, guaranteeFindings } from './guarantees.ts'
import { nameFindings } from './names.ts'
import { noFindings } from './no-findings.ts'
import { repositoryFiles } from './repository-files.ts'
import { longFileFindings, longFunctionFindings } from './sizes.ts'

const FILES = repositoryFiles()
const PATHS = new Set(FILES.map((file) => file.path))
const CODES = failureCodes()
const USE = codeUse(FILES, CODES)

/** Codes that wait for the code that throws them. This list only shrinks. */
const NOT_YET_THROWN: ReadonlySet<string> = new Set()
/** Codes that wait for a test. This list only shrinks. */
const NOT_YET_TESTED: ReadonlySet<string> = new Set()

function textOf(path: string): string {
  const file = FILES.find((candidate) => candidate.path === path)
  assert.ok(file, `${path} is missing`)
  return file.text
}

test('banned text is written nowhere', () => {
  noFindings(bannedTextFindings(FILES))
})

test('files and exports have names that say something', () => {
  noFindings(nameFindings(FILES))
})

test('no source has more than 400 lines', () => {
  noFindings(longFileFindings(FILES))
})

test('no function has more than 70 lines', () => {
  noFindings(longFunctionFindings(FILES))
})

test('docs/failures.md is the table of failures (node tools/write-failures-page.ts writes it)', () => {
  assert.equal(textOf(FAILURES_PAGE), failuresPage())
})

test('every failure code is thrown in production', () => {
  noFindings(unusedCodeFindings(CODES, USE.thrown, NOT_YET_THROWN))
})

test('every failure code is named in a test', () => {
  noFindings(unusedCodeFindings(CODES, USE.tested, NOT_YET_TESTED))
})

test('every promise names tests that exist', () => {
  noFindings(guaranteeFindings(textOf(GUARANTEES_PAGE), PATHS))
})
