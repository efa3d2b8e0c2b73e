import { isAbsolute, join } from 'node:path'
import type { ExecRequest } from '@holdfast/protocol/exec'
import type { GuestCommand } from './guest-link.ts'

/** Where a sandbox's commands run, and what every one of them finds in its environment. */
export interface GuestPlaces {
  readonly workspace: string
  readonly environment: Readonly<Record<string, string>>
}

const TERMINAL_TYPE = 'xterm-256color'

/** The request with every default filled in. Pure. */
export function guestCommand(places: GuestPlaces, request: ExecRequest): GuestCommand {
  return {
    argv: request.argv,
    cwd: isAbsolute(request.cwd) ? fromGuest(places, request.cwd) : join(places.workspace, request.cwd),
    environment: {
      ...(request.terminal ? { TERM: TERMINAL_TYPE } : {}),
      ...(request.user === 'root' ? { HOME: '/root', USER: 'root', LOGNAME: 'root' } : {}),
      ...places.environment,
      ...request.environment,
    },
    isRoot: request.user === 'root',
    stdin: request.stdin,
    ...(request.terminal ? { terminal: request.terminal } : {}),
  }
}

/** `/workspace` lies elsewhere where nothing can be mounted. */
function fromGuest(places: GuestPlaces, path: string): string {
  const isBelow = path === '/workspace' || path.startsWith('/workspace/')
  return isBelow ? join(places.workspace, path.slice('/workspace'.length)) : path
}
