import { readdirSync, readFileSync } from 'node:fs'

/** The child of a process that runs the program of that name. */
export function childOf(pid: number, name: string): number {
  const tasks = readdirSync(`/proc/${pid}/task`)
  const children = tasks.flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' '),
  )
  const child = children.find((one) => one !== '' && nameOf(one) === name)
  if (child === undefined) throw new Error(`${pid} has no child ${name}`)
  return Number(child)
}

function nameOf(pid: string): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
}
