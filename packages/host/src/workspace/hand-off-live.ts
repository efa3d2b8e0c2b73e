import type { Clock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import type { HOST_CALLS, WorkspaceFacts } from '@holdfast/protocol/host-calls'
import { LEASE_TTL_MS, type Lease } from '@holdfast/protocol/lease-calls'
import type { RpcClient } from '@holdfast/rpc/rpc-client'
import { finishFrozen } from './finish-frozen.ts'
import type { LiveWorkspace } from './live-workspace.ts'
import type { OpenRequest } from './open-live.ts'

/** Restoring a large workspace takes its time; it runs here meanwhile. */
const PRE_COPY_MS_MAX = 3_600_000
const OPEN_MS_MAX = 120_000
/** Each round brings what was written during the one before. */
const PRE_COPY_ROUNDS = 2
const RELEASE_AGAIN_MS = 100
const RELEASE_MS_MAX = 10_000

export interface HandOffRequest {
  readonly clock: Clock
  /** What the workspace was opened with. */
  readonly opened: OpenRequest
  readonly target: { readonly host: string; readonly client: RpcClient<typeof HOST_CALLS> }
  readonly drainMs: number
  readonly finalMs: number
}

export interface HandedOff {
  readonly facts: WorkspaceFacts
  /** From the freeze here to the answer of the sandbox there. */
  readonly pauseMs: number
  readonly preCopyMs: number
}

/**
 * Moves an open workspace to another host. Until the lease is released, every failure leaves it running here; from then
 * on nothing of it runs here, whatever the target answers.
 */
export async function handOffLive(live: LiveWorkspace, request: HandOffRequest): Promise<HandedOff> {
  const { clock, target, opened } = request
  const beganAt = clock.monotonicMs()
  await preCopy(live, request)
  await live.registry.drain(request.drainMs)
  const pausedAt = clock.monotonicMs()
  await finishFrozen(live, { cause: 'handoff', withinMs: request.finalMs })
  const lease = await releaseTo(live, request)
  live.registry.expectEnd('handoff')
  const ended = live.killSandbox()
  const { epoch, ttlMs } = lease
  const order = { ...opened, handedOver: { epoch, ttlMs }, rollBackTo: null }
  const facts = await target.client.call('openWorkspace', order, { timeoutMs: OPEN_MS_MAX })
  const pauseMs = clock.monotonicMs() - pausedAt
  await ended
  return { facts, pauseMs, preCopyMs: pausedAt - beganAt }
}

async function preCopy({ captures }: LiveWorkspace, { opened, target }: HandOffRequest): Promise<void> {
  const { workspace, org } = opened
  for (let round = 0; round < PRE_COPY_ROUNDS; round++) {
    const { generation, isNew } = await captures.sync()
    if (round > 0 && !isNew) return
    const order = { workspace, org, generation: generation.id }
    await target.client.call('prepareIncoming', order, { timeoutMs: PRE_COPY_MS_MAX })
  }
}

/** An answer that did not come is asked for again: whether the lease has moved must be known. */
async function releaseTo(live: LiveWorkspace, { clock, target }: HandOffRequest): Promise<Lease> {
  const successor = { host: target.host, ttlMs: LEASE_TTL_MS }
  const until = clock.monotonicMs() + RELEASE_MS_MAX
  for (;;) {
    try {
      const lease = await live.lease.release(successor)
      if (lease !== null) return lease
    } catch (error) {
      if (isFailure(error) && error.kind === 'refused') {
        await live.workload.thaw()
        await live.captures.resume()
        throw error
      }
      // Somebody else has it, or nobody knows: nothing may run on here.
      if (!isFailure(error) || !error.retryable || clock.monotonicMs() > until)
        throw await endUnknown(live, error)
    }
    await clock.sleep(RELEASE_AGAIN_MS)
  }
}

async function endUnknown(live: LiveWorkspace, error: unknown): Promise<unknown> {
  await live.killSandbox()
  return error
}
