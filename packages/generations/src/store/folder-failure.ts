import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'

/** What was being done to a file or folder of the store when the system refused. */
export type FolderStep =
  | 'open'
  | 'read'
  | 'write'
  | 'fsync'
  | 'close'
  | 'link'
  | 'rename'
  | 'unlink'
  | 'mkdir'
  | 'list'

const CODE_OF_ERRNO: Readonly<Record<string, FailureCode>> = {
  ENOSPC: 'store-full',
  'Unknown system error -122': 'store-full', // EDQUOT, which libuv has no name for
  EROFS: 'store-read-only',
  EACCES: 'no-permission',
  EPERM: 'no-permission',
  ELOOP: 'foreign-format', // O_NOFOLLOW met a symbolic link
  ENOTDIR: 'foreign-format', // a file stands where a folder belongs
  EINVAL: 'store-unsuitable', // fsync of a folder is not offered here
  ENOSYS: 'store-unsuitable',
  ENOTSUP: 'store-unsuitable',
  EOPNOTSUPP: 'store-unsuitable',
  EXDEV: 'store-unsuitable', // `tmp` lies on another filesystem than the objects
}

/** The failure of `step` on `path`, named by its errno; `store-unavailable` unless the errno says more. */
export function folderFailure(step: FolderStep, path: string, error: unknown): Failure {
  if (error instanceof Failure) return error
  const errno = errnoOf(error) ?? 'unknown'
  const code = CODE_OF_ERRNO[errno] ?? 'store-unavailable'
  return new Failure(code, `${step} of ${path} failed: ${errno}`, { step, path, errno }, error)
}

/** The failure of a name that is neither a plain file nor a plain folder of ours. */
export function foreignPath(path: string, what: string): Failure {
  return new Failure('foreign-format', `${path} is ${what}, which a store never contains`, { path })
}

export function isAbsent(error: unknown): boolean {
  const errno = errnoOf(error)
  return errno === 'ENOENT' || errno === 'ENOTDIR'
}
