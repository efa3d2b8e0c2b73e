import type { FinalCommit } from '@holdfast/generations/directory/watch-loop'
import type { LiveWorkspace } from './live-workspace.ts'

/**
 * Freezes the sandbox and commits: when it resolves, the head is all that the sandbox ever wrote, and it is still frozen.
 * Whatever fails, it runs on and captures go on.
 */
export async function finishFrozen({ captures, workload }: LiveWorkspace, final: FinalCommit): Promise<void> {
  await captures.quiesce()
  await workload.freeze()
  const failure = await captures.finish(final)
  if (failure === null) return
  await workload.thaw()
  await captures.resume()
  throw failure
}
