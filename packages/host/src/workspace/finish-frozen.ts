import { type Failure, isFailure } from '@holdfast/base/failure'
import type { FinalCommit } from '@holdfast/generations/directory/watch-loop'
import type { LiveWorkspace } from './live-workspace.ts'

/**
 * Freezes the sandbox and commits: when it resolves, the head is all that the sandbox ever wrote, and it is still frozen.
 * Whatever fails, it runs on and captures go on, unless the lease has ended meanwhile.
 */
export async function finishFrozen(live: LiveWorkspace, final: FinalCommit): Promise<void> {
  const failure = await commitFrozen(live, final)
  if (failure === null) return
  await goOn(live)
  throw failure
}

/** Resolves with why that failed, else with null; captures have ended, and the sandbox is frozen if it could be. */
export async function commitFrozen(
  { captures, workload }: LiveWorkspace,
  final: FinalCommit,
): Promise<Failure | null> {
  await captures.quiesce()
  try {
    await workload.freeze()
  } catch (error) {
    if (isFailure(error)) return error
    throw error
  }
  return await captures.finish(final)
}

/** Lets a frozen sandbox run on, if this host still may run it; else it is ended, and the call rejects. */
export async function goOn(live: LiveWorkspace): Promise<void> {
  try {
    await live.lease.prove()
  } catch (error) {
    await live.killSandbox()
    throw error
  }
  await live.workload.thaw()
  live.captures.resume()
}
