import type { Told } from './output/failure.ts'

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
export function exitCodeOf(failure: Pick<Told, 'code' | 'details'>): number {
  switch (failure.code) {
    case 'invalid-argument':
      return EXIT.usage
    case 'unsupported-here':
    case 'helper-failed':
    case 'port-taken':
    case 'server-unreachable':
    case 'host-unreachable':
    case 'no-host':
    case 'isolation-unavailable':
    case 'sandbox-failed':
    case 'sandbox-gone':
      return EXIT.platform
    case 'timed-out':
      return EXIT.timeout
    case 'outcome-unknown':
      return 'timeoutMs' in failure.details ? EXIT.timeout : EXIT.failure
    default:
      return EXIT.failure
  }
}
