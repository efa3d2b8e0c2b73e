/** Where the first process of a sandbox keeps its sockets, and how long it may live. */
export interface HoldinitLaunch {
  /** As the sandbox sees it. */
  readonly program: string
  /** Its own directory, with the nonce in it. */
  readonly control: string
  /** The directory of the socket for user code. */
  readonly guest: string
  readonly deadlineBootMs: number
  readonly allowRoot: boolean
}

export const NONCE_FILE = 'nonce'
export const NONCE_BYTES = 64
export const CONTROL_SOCKET = 'control.sock'
export const GUEST_SOCKET = 'guest.sock'
/** Commands die first when memory is short, then whatever is not a sandbox. */
const OOM_SCORE = '500'

/** docs/formats/holdinit.md says what each flag means. Pure. */
export function holdinitArgv(launch: HoldinitLaunch): string[] {
  return [
    launch.program,
    ...['--control', `${launch.control}/${CONTROL_SOCKET}`],
    ...['--guest', `${launch.guest}/${GUEST_SOCKET}`],
    ...['--nonce', `${launch.control}/${NONCE_FILE}`],
    ...['--deadline', String(Math.ceil(launch.deadlineBootMs))],
    ...['--root', launch.allowRoot ? 'allowed' : 'refused'],
    ...['--oom-score', OOM_SCORE],
  ]
}
