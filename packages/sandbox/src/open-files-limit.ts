import { readFileSync } from 'node:fs'

/** The most open files that this process may grant to those that it starts: its own hard limit (proc_pid_limits(5)). */
export function readOpenFilesMax(): number {
  const [, , hard] =
    /^Max open files\s+(\S+)\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? []
  return hard === undefined ? Number.MAX_SAFE_INTEGER : Number(hard)
}
