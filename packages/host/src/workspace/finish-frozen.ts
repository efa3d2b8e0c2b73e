import type { FinalCommit } from '@holdfast/generations/directory/watch-loop'
import type { LiveWorkspace } from './live-workspace.ts'

/**
 * Freezes the sandbox and commits: when it resolves, the head is all that the sandbox ever wrote, and it is still frozen.
 * Whatever fails, it runs on and captures go on, unless the lease has ended meanwhile.
 */
export async function finishFrozen(live: LiveWorkspace, final: FinalCommit): Promise<void> {
  const { captures, workload } = live
  await captures.quiesce()
  await workload.freeze()
  const failure = await captures.finish(final)
  if (failure === null) return
  await goOn(live)
  throw failure
}

/** Lets a frozen sandbox run on, if this host still may run it; else it is ended. */
async function goOn(live: LiveWorkspace): Promise<void> {
  try {
    await live.lease.prove()
  } catch (error) {
    await live.killSandbox()
    throw error
  }
  await live.workload.thaw()
  live.captures.resume()
}
