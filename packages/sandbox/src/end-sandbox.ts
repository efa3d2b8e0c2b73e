import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { allSettled } from '@holdfast/base/all-settled'
import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import { SandboxCgroup } from './cgroup/sandbox-cgroup.ts'
import { type HostProcess, isAlive, processesNaming, signalProcess, withDescendants } from './host-process.ts'
import { listSandboxRecords, type RecordedSandbox } from './sandbox-record.ts'
import type { UidRanges } from './uid-ranges.ts'

const ENDED_MS_MAX = 10_000
const POLL_MS = 2

export interface EndDeps {
  readonly clock: Clock
  /** Null where sandboxes have no ids of their own. */
  readonly uidRanges: UidRanges | null
}

/** Kills all sandboxes that are recorded in `folder`, whoever started them, and removes what they leave. */
export async function killRecorded(deps: EndDeps, folder: string): Promise<void> {
  await allSettled(
    listSandboxRecords(folder).map(async (found) => {
      for (const starter of processesNaming(['--bundle', found.folder])) signalProcess(starter, 'SIGKILL')
      await killSandbox(deps.clock, { folder: found.folder, record: withUnrecorded(found) })
      await removeSandbox(deps, found)
    }),
  )
}

/** A process that was started and not recorded any more names its control directory in its arguments. */
function withUnrecorded({ folder, record }: RecordedSandbox): RecordedSandbox['record'] {
  const control = join(folder, 'control')
  const named = [control, join(control, 'control.sock')].flatMap((word) => processesNaming([word]))
  const processes = named.map(({ pid, startTicks }) => ({ pid, startTicks }))
  return { ...record, processes: [...record.processes, ...processes] }
}

/** Resolves once nothing of it lives. */
export async function killSandbox(clock: Clock, { record }: RecordedSandbox): Promise<void> {
  const cgroup = new SandboxCgroup(new Map(Object.entries(record.cgroup)), clock)
  await cgroup.kill()
  await killTree(clock, record.processes)
}

/** After its end: its cgroups, its ids, its folder. */
export async function removeSandbox(deps: EndDeps, { folder, record }: RecordedSandbox): Promise<void> {
  await new SandboxCgroup(new Map(Object.entries(record.cgroup)), deps.clock).remove()
  await rm(folder, { recursive: true, force: true })
  if (record.firstUid !== null) deps.uidRanges?.free(record.firstUid)
}

/**
 * Kills processes and their descendants where there is no cgroup to freeze them with: all are stopped before the first
 * is killed, and those that were forked meanwhile are looked for until a look finds nobody new.
 */
async function killTree(clock: Clock, roots: readonly HostProcess[]): Promise<void> {
  const members = new Map<number, HostProcess>()
  for (let fresh = withDescendants(roots); fresh.length > 0; ) {
    for (const one of fresh) {
      members.set(one.pid, one)
      signalProcess(one, 'SIGSTOP')
    }
    fresh = withDescendants([...members.values()]).filter((one) => !members.has(one.pid))
  }
  for (const one of members.values()) signalProcess(one, 'SIGKILL')
  const until = clock.monotonicMs() + ENDED_MS_MAX
  while ([...members.values()].some(isAlive)) {
    if (clock.monotonicMs() > until)
      throw new Failure('timed-out', 'the kernel does not let go of processes that were killed', {
        pids: members.size,
      })
    await clock.sleep(POLL_MS)
  }
}
