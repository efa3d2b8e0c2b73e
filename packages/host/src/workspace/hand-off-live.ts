import type { Clock } from '@holdfast/base/clock'
import { Failure, isFailure } from '@holdfast/base/failure'
import type { HOST_CALLS, WorkspaceFacts } from '@holdfast/protocol/host-calls'
import type { HostId } from '@holdfast/protocol/identifiers'
import type { Lease } from '@holdfast/protocol/lease-calls'
import type { RpcClient } from '@holdfast/rpc/rpc-client'
import { finishFrozen } from './finish-frozen.ts'
import type { LiveWorkspace } from './live-workspace.ts'
import type { OpenRequest } from './open-live.ts'

/** Restoring a large workspace takes its time; it runs here meanwhile. */
const PRE_COPY_MS_MAX = 3_600_000
const OPEN_MS_MAX = 120_000
/** Each round brings what was written during the one before, as long as that becomes less. */
const PRE_COPY_ROUNDS_MAX = 8
/** What is brought this quickly need not be brought before. */
const PRE_COPY_SHORT_MS = 100
const PRE_COPY_SHRINK_MIN = 0.8

/** A way to another host. */
export type HostLine = Pick<RpcClient<typeof HOST_CALLS>, 'call'>

export interface HandOffRequest {
  readonly clock: Clock
  /** What the workspace was opened with. */
  readonly opened: OpenRequest
  readonly target: { readonly host: HostId; readonly client: HostLine }
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
 * Moves an open workspace to another host. Until the last commit is durable, every failure leaves it running here. Then
 * the sandbox ends, and only after it the lease: were it frozen meanwhile, the end of this process would let it run on,
 * beside the target's.
 */
export async function handOffLive(live: LiveWorkspace, request: HandOffRequest): Promise<HandedOff> {
  const { clock, target, opened } = request
  const beganAt = clock.monotonicMs()
  await preCopy(live, request)
  await live.registry.drain(request.drainMs)
  const pausedAt = clock.monotonicMs()
  await finishFrozen(live, { cause: 'handoff', withinMs: request.finalMs })
  live.registry.expectEnd('handoff')
  await live.killSandbox()
  const lease = await releaseTo(live, request)
  const { epoch, ttlMs } = lease
  const order = { ...opened, handedOver: { epoch, ttlMs }, rollBackTo: null }
  const facts = await target.client.call('openWorkspace', order, { timeoutMs: OPEN_MS_MAX })
  const pauseMs = clock.monotonicMs() - pausedAt
  return { facts, pauseMs, preCopyMs: pausedAt - beganAt }
}

async function preCopy({ captures }: LiveWorkspace, request: HandOffRequest): Promise<void> {
  const { clock, opened, target } = request
  const { workspace, org } = opened
  const { system, packs } = opened.spec
  let lastMs = Number.POSITIVE_INFINITY
  for (let round = 0; round < PRE_COPY_ROUNDS_MAX; round++) {
    const beganAt = clock.monotonicMs()
    const { generation, isNew } = await captures.sync()
    if (round > 0 && !isNew) return
    const order = { workspace, org, generation: generation.id, content: { system, packs } }
    await target.client.call('prepareIncoming', order, { timeoutMs: PRE_COPY_MS_MAX })
    const tookMs = clock.monotonicMs() - beganAt
    if (tookMs < PRE_COPY_SHORT_MS || (round > 0 && tookMs > lastMs * PRE_COPY_SHRINK_MIN)) return
    lastMs = tookMs
  }
}

/** If the lease is known to be here still, a fresh sandbox goes on with the files. */
async function releaseTo(live: LiveWorkspace, { target, opened }: HandOffRequest): Promise<Lease> {
  try {
    const lease = await live.lease.release(target.host)
    if (lease !== null) return lease
    throw new Failure('lease-lost', 'the lease was given back without a successor')
  } catch (error) {
    if (isFailure(error, 'lease-lost')) throw error
    await live.endRun()
    await live.run(opened.services)
    throw error
  }
}
