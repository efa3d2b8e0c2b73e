import { mkdirSync, readdirSync, renameSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Randomness } from '@holdfast/base/randomness'
import { randomName } from '../format/names.ts'
import { readProcess } from '../volume/process-stat.ts'

/*
 * A tree is restored beside the path where it is to appear, as `.NAME.restoring-PID-START-RANDOM`: the process that
 * makes it, by its pid and its start in clock ticks; others as `.NAME.rolling-back-…` and so on. When that process is gone,
 * nobody will finish what lies there.
 */
export type StagingPurpose = (typeof PURPOSES)[number]

const PURPOSES = ['restoring', 'rolling-back', 'forgetting'] as const
const NAME_LETTERS_MAX = 40
const OWNER = /^(\d+)-(\d+)-/

/** Makes an empty directory for a tree that is to appear at `path`, with those above it. */
export function makeStaging(
  path: string,
  randomness: Randomness,
  purpose: StagingPurpose = 'restoring',
): string {
  const startTicks = readProcess(process.pid)?.startTicks ?? 0
  const owner = `${process.pid}-${startTicks}-${randomName(randomness).slice(0, 8)}`
  const staging = join(dirname(path), `${prefixFor(path, purpose)}${owner}`)
  mkdirSync(staging, { recursive: true, mode: 0o700 })
  return staging
}

/**
 * Removes what restores and rollbacks to `path` left whose processes have ended. Each is renamed first: a restore that
 * runs where its process cannot be seen, on another machine, then fails, and never shows a part of its tree. What may
 * not be removed stays.
 */
export async function removeAbandoned(path: string): Promise<void> {
  const folder = dirname(path)
  const prefixes = PURPOSES.map((purpose) => prefixFor(path, purpose))
  for (const name of namesIn(folder)) {
    const prefix = prefixes.find((known) => name.startsWith(known))
    if (prefix === undefined || isOwned(name.slice(prefix.length))) continue
    const doomed = join(folder, name.endsWith(DOOMED) ? name : `${name}${DOOMED}`)
    try {
      renameSync(join(folder, name), doomed)
      await rm(doomed, { recursive: true, force: true })
    } catch {
      // Another user's, or another restore removes it at this moment: it is in nobody's way.
    }
  }
}

const DOOMED = '-abandoned'

function prefixFor(path: string, purpose: StagingPurpose): string {
  return `.${basename(path).slice(0, NAME_LETTERS_MAX)}.${purpose}-`
}

/** Whether the process that the rest of a name tells is there still; false also for what is being removed. */
function isOwned(owner: string): boolean {
  const [, pid, startTicks] = OWNER.exec(owner) ?? []
  if (pid === undefined || owner.endsWith(DOOMED)) return false
  return readProcess(Number(pid))?.startTicks === Number(startTicks)
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
