import { Failure, failureToWire } from '@holdfast/base/failure'
import type { FinalCommit } from '@holdfast/generations/directory/watch-loop'
import type { CloseOutcome, HOST_CALLS } from '@holdfast/protocol/host-calls'
import type { RpcParsed } from '@holdfast/protocol/rpc-table'
import type { ServiceSpec } from '@holdfast/protocol/service'
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
 * Ends commands and services, commits, ends the sandbox, gives the lease back. When nothing could be saved and the sandbox
 * lives, captures and services go on, unless forced; or unless its disk refuses writes, which its end alone mends.
 */
export async function closeLive(
  live: LiveWorkspace,
  { cause, drainMs, force }: Omit<CloseRequest, 'workspace'>,
  { graceMs, finalMs, services }: CloseTiming & { readonly services: readonly ServiceSpec[] },
): Promise<CloseOutcome> {
  const { registry, captures } = live
  await registry.drain(drainMs)
  await live.services.set([])
  await registry.stopAll(EXEC_REASON[cause], graceMs)
  const failure = await captures.finish({ cause, withinMs: finalMs })
  const mayGoOn = !live.hasEnded && !force && failure?.details.errno !== 'EROFS'
  const goesOn = failure?.kind === 'unavailable' && mayGoOn
  if (failure !== null && goesOn) {
    captures.resume()
    await live.services.set(services)
    return { kind: 'not-saved', sandbox: 'alive', failure: failureToWire(failure) }
  }
  registry.expectEnd(EXEC_REASON[cause])
  const isRetried = failure !== null && failure.kind !== 'fenced' && !live.hasEnded
  return await endLive(live, isRetried ? await finishAlone(live, { cause, withinMs: finalMs }) : failure)
}

/** A file system whose disk refused a write is to be had again only once no sandbox uses it. */
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
