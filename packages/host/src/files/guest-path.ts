import { posix } from 'node:path'
import { Failure } from '@holdfast/base/failure'

const ROOT = '/workspace'

/**
 * A path as tools inside are given it: relative to `/workspace`, beginning with `./`, so that no name looks like an option.
 * What `..` means is decided here, before any link; where links lead is for the guest's kernel. Rejects with
 * `invalid-argument` for what lies elsewhere.
 */
export function guestPath(path: string): string {
  if (path.includes('\0')) throw new Failure('invalid-argument', 'a path has no NUL byte')
  const absolute = posix.normalize(posix.isAbsolute(path) ? path : `${ROOT}/${path}`)
  const trimmed = absolute.length > 1 ? absolute.replace(/\/+$/, '') : absolute
  if (trimmed === ROOT) return '.'
  if (trimmed.startsWith(`${ROOT}/`)) return `./${trimmed.slice(ROOT.length + 1)}`
  throw new Failure('invalid-argument', `${path} does not lie in ${ROOT}`, { path })
}

/** As answers name it: without `./`. */
export function shownPath(path: string): string {
  return path === '.' ? path : path.replace(/^\.\//, '')
}

/** Rejects with `invalid-argument` for the workspace itself, which cannot be moved, removed or replaced. */
export function guestName(path: string): string {
  const found = guestPath(path)
  if (found !== '.') return found
  throw new Failure('invalid-argument', 'this names the workspace itself', { path })
}
