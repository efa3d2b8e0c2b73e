import { readdirSync, readlinkSync } from 'node:fs'

/** Naming more does not help the reader. */
const USERS_MAX = 5

/**
 * Processes, other than this one, that work in a directory or hold a file in it open: their pids, the first few.
 * Those of other users are seen by root alone.
 */
export function directoryUsers(path: string): readonly number[] {
  const users: number[] = []
  for (const name of readdirSync('/proc')) {
    if (users.length === USERS_MAX) break
    const pid = Number(name)
    if (Number.isInteger(pid) && pid !== process.pid && isUser(pid, path)) users.push(pid)
  }
  return users
}

function isUser(pid: number, path: string): boolean {
  const isInside = (link: string) => {
    const target = readLink(link)
    return target === path || target.startsWith(`${path}/`)
  }
  const base = `/proc/${pid}`
  return isInside(`${base}/cwd`) || listNames(`${base}/fd`).some((fd) => isInside(`${base}/fd/${fd}`))
}

function listNames(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** Empty for a process that has ended, or is not ours to look at. */
function readLink(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
