import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '@holdfast/base/errno'
import { RuntimeKind } from '@holdfast/protocol/sandbox-spec'
import { z } from 'zod'

const RECORD_FILE = 'sandbox.json'

/**
 * What a later process needs to end a sandbox that it did not start. It lies in the sandbox's folder before anything of
 * the sandbox is made, so that there is no moment in which one could be missed.
 */
const SandboxRecord = z.strictObject({
  id: z.string(),
  runtime: RuntimeKind,
  /** Its cgroup by controller, made or not. */
  cgroup: z.record(z.string(), z.string()),
  /** Where no cgroup holds it: its first processes, each named for ever by pid and start. */
  processes: z.array(z.strictObject({ pid: z.int(), startTicks: z.int() })),
  /** The first host id of its range; null where it has none of its own. */
  firstUid: z.int().nullable(),
})
export type SandboxRecord = z.infer<typeof SandboxRecord>

/** Not fsynced: what it names does not outlive a loss of power either. */
export function writeSandboxRecord(folder: string, record: SandboxRecord): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const fresh = join(folder, `${RECORD_FILE}.new`)
  writeFileSync(fresh, JSON.stringify(record))
  renameSync(fresh, join(folder, RECORD_FILE))
}

export interface RecordedSandbox {
  readonly folder: string
  readonly record: SandboxRecord
}

/** Every sandbox that is recorded in a folder of sandboxes; what is not a record is passed over. */
export function listSandboxRecords(folder: string): RecordedSandbox[] {
  return entriesOf(folder).flatMap((name) => {
    const path = join(folder, name)
    const record = readSandboxRecord(path)
    return record === undefined ? [] : [{ folder: path, record }]
  })
}

function readSandboxRecord(folder: string): SandboxRecord | undefined {
  try {
    return SandboxRecord.safeParse(JSON.parse(readFileSync(join(folder, RECORD_FILE), 'utf8'))).data
  } catch {
    return undefined
  }
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
}
