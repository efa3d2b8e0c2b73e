import { readdirSync, readFileSync } from 'node:fs'

/** The children of a process, by the names of their programs. */
export function childrenOf(pid: number): ReadonlyMap<string, number> {
  const tasks = readdirSync(`/proc/${pid}/task`)
  const pids = tasks.flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' '))
  return new Map(pids.filter((child) => child !== '').map((child) => [nameOf(child), Number(child)]))
}

function nameOf(pid: string): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
}
