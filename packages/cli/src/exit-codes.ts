import type { Failure } from '@holdfast/base/failure'

/** What the process ends with. The code of a command that `hold` runs is passed on; 126 and 127 mean what a shell means. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  timeout: 124,
  platform: 125,
  notExecutable: 126,
  notFound: 127,
} as const

/** The exit code that tells a script what a failure was about. */
export function exitCodeOf(failure: Failure): number {
  switch (failure.code) {
    case 'invalid-argument':
      return EXIT.usage
    case 'unsupported-here':
    case 'helper-failed':
      return EXIT.platform
    case 'outcome-unknown':
      return 'timeoutMs' in failure.details ? EXIT.timeout : EXIT.failure
    default:
      return EXIT.failure
  }
}
