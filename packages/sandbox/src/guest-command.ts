import { isAbsolute, join } from 'node:path'
import type { ExecRequest } from '@holdfast/protocol/exec'

/** Where a sandbox's commands run, and what every one of them finds in its environment. */
export interface GuestPlaces {
  readonly workspace: string
  readonly environment: Readonly<Record<string, string>>
}

const WORKSPACE = '/workspace'
const TERMINAL_TYPE = 'xterm-256color'

/** The request with the sandbox's own environment below its own, and its directory as the sandbox has it. Pure. */
export function guestCommand(places: GuestPlaces, request: ExecRequest): ExecRequest {
  return {
    ...request,
    cwd: directory(places, request.cwd),
    environment: {
      ...(request.terminal ? { TERM: TERMINAL_TYPE } : {}),
      ...places.environment,
      ...(request.user === 'root' ? { HOME: '/root', USER: 'root', LOGNAME: 'root' } : {}),
      ...request.environment,
    },
  }
}

/** `/workspace` lies elsewhere where nothing can be mounted. */
function directory(places: GuestPlaces, cwd: string): string {
  if (!isAbsolute(cwd)) return join(places.workspace, cwd)
  const isBelow = cwd === WORKSPACE || cwd.startsWith(`${WORKSPACE}/`)
  return isBelow ? join(places.workspace, cwd.slice(WORKSPACE.length)) : cwd
}
