import { Failure } from '@holdfast/base/failure'
import type { GenerationCommit, HistoryPage, IndexReplacement, PackRow } from './generation-index.ts'

/** An id or an object name: bounds what one row of the history can weigh. */
const NAME_CHARS_MAX = 1024
const MESSAGE_CHARS_MAX = 64 * 1024
/** At 16 MiB a pack this is 16 TiB in one commit. */
const NAMES_PER_CALL_MAX = 1_000_000
const HISTORY_PAGE_MAX = 10_000

function wrong(argument: string, expected: string): Failure {
  return new Failure('invalid-argument', `${argument} is not ${expected}`, { argument })
}

/** Text that every adapter stores unchanged: bounded, and with a UTF-8 form. */
function checkText(argument: string, text: string, charsMax: number): void {
  if (text.length > charsMax || !text.isWellFormed())
    throw wrong(argument, `Unicode text of at most ${charsMax} characters`)
}

export function checkName(argument: string, name: string): void {
  if (name.length === 0) throw wrong(argument, 'a name')
  checkText(argument, name, NAME_CHARS_MAX)
}

export function checkNames(argument: string, names: readonly string[]): void {
  if (names.length > NAMES_PER_CALL_MAX)
    throw wrong(argument, `a list of at most ${NAMES_PER_CALL_MAX} names`)
  for (const name of names) checkName(argument, name)
}

export function checkCount(argument: string, count: number): void {
  if (!Number.isSafeInteger(count) || count < 0) throw wrong(argument, 'a whole number from 0 up')
}

/** Rejects a listing that is empty by its own bounds, or unbounded. */
export function checkPage(page: HistoryPage): void {
  checkCount('limit', page.limit)
  if (page.limit < 1 || page.limit > HISTORY_PAGE_MAX) throw wrong('limit', `from 1 to ${HISTORY_PAGE_MAX}`)
  if (page.beforeSequence !== undefined) checkCount('beforeSequence', page.beforeSequence)
}

function checkPacks(packs: readonly PackRow[]): void {
  checkNames(
    'newPacks',
    packs.map((pack) => pack.name),
  )
  if (new Set(packs.map((pack) => pack.name)).size !== packs.length)
    throw wrong('newPacks', 'a list of different names')
  for (const pack of packs) {
    checkCount('newPacks.bytes', pack.bytes)
    if (!/^[0-9a-f]{64}$/.test(pack.sha256)) throw wrong('newPacks.sha256', '64 hex digits')
  }
}

/** Rejects with `invalid-argument` a commit that no history can hold, before anything is read or written. */
export function checkCommit(commit: GenerationCommit): void {
  for (const field of ['id', 'recordPack', 'root'] as const) checkName(field, commit[field])
  if (commit.parent !== null) checkName('parent', commit.parent)
  checkText('message', commit.message, MESSAGE_CHARS_MAX)
  for (const field of ['sequence', 'createdAt', 'files', 'bytes', 'gcSeen'] as const)
    checkCount(field, commit[field])
  checkPacks(commit.newPacks)
  checkNames('usedPacks', commit.usedPacks)
}

/** Rejects with `invalid-argument` a replacement that no history can hold. */
export function checkReplacement(replacement: IndexReplacement): void {
  checkNames('replaces', replacement.replaces)
  checkNames('baseObjects', replacement.baseObjects)
  checkNames('covered', replacement.covered)
  checkPacks(replacement.newPacks)
  checkCount('gcSeen', replacement.gcSeen)
}
