import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { CgroupPlaces } from '../volume/cgroup-freezer.ts'
import { readJsonFile, replaceFile } from './json-file.ts'

/*
 * `workload.json` in the directory's folder: what a watcher may have frozen. A watcher that is killed together with the
 * native helper leaves it behind, and the next one thaws what it names:
 *
 *     { "format": 1, "cgroups": [{ "freezer": path, "accounting": path | null }], "attached": path | null,
 *       "trees": [{ "pid": number, "startTicks": number, "mark": text }] }
 */
export interface WorkloadRecord {
  /** Made by watches of this directory. */
  readonly cgroups: readonly CgroupPlaces[]
  /** Made by somebody else. */
  readonly attached: string | null
  readonly trees: readonly { readonly pid: number; readonly startTicks: number; readonly mark: string }[]
}

const FILE = 'workload.json'
const FORMAT = 1

export function saveWorkloadRecord(folder: string, record: WorkloadRecord): void {
  const isEmpty = record.cgroups.length + record.trees.length === 0 && record.attached === null
  if (isEmpty) rmSync(join(folder, FILE), { force: true })
  else replaceFile(join(folder, FILE), `${JSON.stringify({ format: FORMAT, ...record })}\n`)
}

/** What the last watcher left; entries that are not understood are left out. Rejects with `history-corrupt`. */
export function loadWorkloadRecord(folder: string): WorkloadRecord {
  const found = readJsonFile(join(folder, FILE)) ?? {}
  return {
    cgroups: objectsOf(found.cgroups).flatMap(({ freezer, accounting }) =>
      typeof freezer === 'string' && (accounting === null || typeof accounting === 'string')
        ? [{ freezer, accounting }]
        : [],
    ),
    attached: typeof found.attached === 'string' ? found.attached : null,
    trees: objectsOf(found.trees).flatMap(({ pid, startTicks, mark }) =>
      typeof pid === 'number' && typeof startTicks === 'number' && typeof mark === 'string'
        ? [{ pid, startTicks, mark }]
        : [],
    ),
  }
}

function objectsOf(value: unknown): Record<string, unknown>[] {
  if (!Array.isArray(value)) return []
  return value.filter((each): each is Record<string, unknown> => typeof each === 'object' && each !== null)
}
