import { Failure, failureToWire, isFailure } from '@holdfast/base/failure'
import type { FinalCommit } from '@holdfast/generations/directory/watch-loop'
import type { CloseOutcome, HOST_CALLS } from '@holdfast/protocol/host-calls'
import type { RpcParsed } from '@holdfast/protocol/rpc-table'
import type { ServiceSpec } from '@holdfast/protocol/service'
import { commitFrozen, goOn } from './finish-frozen.ts'
import { generationSummary } from './generation-summary.ts'
import type { LiveWorkspace } from './live-workspace.ts'

export type CloseRequest = RpcParsed<typeof HOST_CALLS, 'closeWorkspace'>

export interface CloseTiming {
  /** Between TERM and KILL of what runs. */
  readonly graceMs: number
  /** The last commit is tried for so long. */
  readonly finalMs: number
}

const EXEC_REASON = { stop: 'stop', restart: 'restart', termination: 'stop' } as const

/**
 * Ends commands and services, commits, ends the sandbox, gives the lease back. What a program of it told anybody that it
 * had written is in the last commit. When nothing could be saved and the sandbox lives, it, captures and services go on,
 * unless forced; or unless its disk refuses writes, which its end alone mends.
 */
export async function closeLive(
  live: LiveWorkspace,
  { cause, drainMs, force }: Omit<CloseRequest, 'workspace'>,
  { graceMs, finalMs, services }: CloseTiming & { readonly services: readonly ServiceSpec[] },
): Promise<CloseOutcome> {
  const { registry, captures } = live
  const final = { cause, withinMs: finalMs }
  await registry.drain(drainMs)
  await live.services.set([])
  await registry.stopAll(EXEC_REASON[cause], graceMs)
  // Most is committed while it runs, and a store that does not answer met: only the rest is waited for in a freeze.
  const early = await captures.finish(final)
  const failure = early ?? (await commitRest(live, final))
  const mayGoOn = !live.hasEnded && !force && failure?.details.errno !== 'EROFS'
  if (failure?.kind === 'unavailable' && mayGoOn) {
    const lost = await failureOf(async () => (early === null ? await goOn(live) : captures.resume()))
    if (lost !== null) return await endLive(live, lost)
    await live.services.set(services)
    return { kind: 'not-saved', sandbox: 'alive', failure: failureToWire(failure) }
  }
  registry.expectEnd(EXEC_REASON[cause])
  const isRetried = failure !== null && failure.kind !== 'fenced' && !live.hasEnded
  return await endLive(live, isRetried ? await finishAlone(live, final) : failure)
}

/** What was written since a commit. The sandbox is frozen then, or has ended where nothing freezes it. */
async function commitRest(live: LiveWorkspace, final: FinalCommit): Promise<Failure | null> {
  if (live.workload.freezer === null) return await finishAlone(live, final)
  live.captures.resume()
  return await commitFrozen(live, final)
}

async function failureOf(step: () => Promise<void>): Promise<Failure | null> {
  try {
    await step()
    return null
  } catch (error) {
    if (isFailure(error)) return error
    throw error
  }
}

/** A file system whose disk refused a write is to be had again only once no sandbox uses it; and nobody writes it then. */
async function finishAlone(live: LiveWorkspace, final: FinalCommit): Promise<Failure | null> {
  await live.killSandbox()
  live.captures.resume()
  return await live.captures.finish(final)
}

/** Ends what is left of an open workspace after its last commit, which failed or not. */
export async function endLive(live: LiveWorkspace, failure: Failure | null): Promise<CloseOutcome> {
  const { files, lease, captures } = live
  const head = captures.head
  const { index } = files
  const generation = head === null ? undefined : await index.generation(head.id).catch(() => undefined)
  await live.killSandbox()
  if (failure === null && head !== null) files.markClean(head.id)
  await live[Symbol.asyncDispose]()
  await lease.release(null).catch(() => {}) // it runs out by itself
  if (failure === null && generation) return { kind: 'saved', generation: generationSummary(generation) }
  const said = failure ?? new Failure('index-unavailable', 'the history does not say what the head is')
  return { kind: 'not-saved', sandbox: 'gone', failure: failureToWire(said) }
}
