import { Failure } from '@holdfast/base/failure'
import { type EndDeps, killSandbox, removeSandbox } from './end-sandbox.ts'
import { type RecordedSandbox, writeSandboxRecord } from './sandbox-record.ts'

/** Makes a sandbox that is on record from before its first process; one that cannot be made leaves nothing behind. */
export async function startRecorded<T>(
  deps: EndDeps,
  recorded: RecordedSandbox,
  make: () => Promise<T>,
): Promise<T> {
  try {
    writeSandboxRecord(recorded.folder, recorded.record)
    return await make()
  } catch (error) {
    await killSandbox(deps.clock, recorded)
    await removeSandbox(deps, recorded)
    if (error instanceof Failure) throw error
    const reason = error instanceof Error ? error.message : String(error)
    const details = { sandbox: recorded.record.id }
    throw new Failure('sandbox-failed', `the sandbox did not start: ${reason}`, details, error)
  }
}
