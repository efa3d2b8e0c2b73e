import { constants } from 'node:os'
import { Failure } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'
import { toText } from '../format/byte-string.ts'
import { type BytePath, PayloadReader } from './frames.ts'

const CODE_OF_ERRNO: Readonly<Record<string, FailureCode>> = {
  ENOSPC: 'volume-full',
  EDQUOT: 'volume-full',
  EACCES: 'no-permission',
  EPERM: 'no-permission',
  ENOENT: 'not-found',
  EEXIST: 'already-exists',
  EIO: 'source-failed',
  ENOTTY: 'unsupported-here', // not a btrfs file system
  EOPNOTSUPP: 'unsupported-here',
  ENOSYS: 'unsupported-here',
}

/** Numbers with two names, by the name that the kernel's pages use. */
const PREFERRED: Readonly<Record<number, string>> = {
  [constants.errno.EAGAIN]: 'EAGAIN',
  [constants.errno.EOPNOTSUPP]: 'EOPNOTSUPP',
}

const NAME_OF_NUMBER: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno).map(([name, number]) => [number, PREFERRED[number] ?? name]),
)

/** `ENOSPC` for 28; `errno 524` for a number without a name. */
export function errnoName(number: number): string {
  return NAME_OF_NUMBER.get(number) ?? `errno ${number}`
}

/** The failure that an errno reply stands for; its details name the errno, the step and the path. */
export function companionFailure(payload: Buffer, path: BytePath): Failure {
  const reader = new PayloadReader(payload)
  const errno = errnoName(reader.u32())
  const step = reader.rest().toString('latin1')
  const details = { errno, step, path: toText(path) }
  return new Failure(
    CODE_OF_ERRNO[errno] ?? 'source-failed',
    `${step} failed on ${details.path}: ${errno}`,
    details,
  )
}
