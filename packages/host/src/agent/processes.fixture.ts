import { readdirSync, readFileSync } from 'node:fs'

/** Pids of processes of this machine with these words. */
export function findProcess(words: string): number[] {
  return findProcesses((line) => line === words)
}

export function findProcesses(isWanted: (words: string) => boolean): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => isWanted(commandLine(name)))
    .map(Number)
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1).join(' ')
  } catch {
    return ''
  }
}

/** The first process of the sandbox that a process runs in. */
export function pidOneOf(pid: number): number {
  const parent = Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  const nested = readFileSync(`/proc/${parent}/status`, 'utf8')
  return /^NSpid:.*\t1$/m.test(nested) ? parent : pidOneOf(parent)
}
