import { Failure } from '@holdfast/base/failure'
import type { GenerationRow, HeldLease } from '@holdfast/generations/index/generation-index'
import type { GenerationCause } from '@holdfast/protocol/generation'
import type { HOST_CALLS } from '@holdfast/protocol/host-calls'
import type { RpcParsed } from '@holdfast/protocol/rpc-table'
import type { SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import type { Runtime } from '@holdfast/sandbox/runtime'
import type { Leases, ResidentLease } from './leases.ts'
import { type LiveDeps, type LiveParts, LiveWorkspace } from './live-workspace.ts'
import { bringContent, type Images } from './local-content.ts'
import { reserveSandbox } from './reserve-sandbox.ts'
import type { HostVolumes, ResidentFiles } from './resident-files.ts'

export type OpenRequest = RpcParsed<typeof HOST_CALLS, 'openWorkspace'>

export interface OpenDeps {
  readonly volumes: Pick<HostVolumes, 'open'>
  readonly leases: Leases
  /** Rejects with `isolation-unavailable` when none of this host's gives as much as is asked for. */
  readonly runtimeFor: (spec: SandboxSpec) => Runtime
  readonly images: Images
  readonly live: LiveDeps
  /** Told of the lease as soon as there is one. */
  readonly onLease: (lease: ResidentLease) => void
}

/**
 * Brings system and packs, takes the lease while place and sandbox are being made, brings the files to the head, starts
 * the sandbox on them. Whatever fails, nothing runs then and the lease is given back.
 */
export async function openLive(deps: OpenDeps, request: OpenRequest): Promise<LiveWorkspace> {
  const runtime = deps.runtimeFor(request.spec)
  const content = await bringContent(deps.images, request.spec)
  const { workspace, org } = request
  await using reserved = reserveSandbox(deps.live, { runtime, org, spec: content.spec })
  // The lease takes a round to its service and a sync there; nothing of the place depends on it.
  const opening = deps.volumes.open({ workspace, org })
  opening.catch(() => {}) // told below
  const lease = await takeLease(deps.leases, request).catch(async (error) => {
    await opening.then((files) => files[Symbol.asyncDispose]()).catch(() => {})
    throw error
  })
  deps.onLease(lease)
  try {
    await using stack = new AsyncDisposableStack()
    const files = stack.use(await opening)
    const live = await openUnder(deps, { lease, files, runtime, reserved, ...content }, request)
    stack.move()
    return live
  } catch (error) {
    await lease.release(null).catch(() => {}) // it runs out by itself
    throw error
  }
}

async function takeLease(
  leases: Leases,
  { workspace, org, handedOver }: OpenRequest,
): Promise<ResidentLease> {
  if (handedOver === null) return await leases.acquire(workspace)
  return await leases.adopt({ workspace, org, epoch: handedOver.epoch })
}

async function openUnder(
  deps: OpenDeps,
  parts: LiveParts,
  { services, rollBackTo }: OpenRequest,
): Promise<LiveWorkspace> {
  const { files, lease } = parts
  await using stack = new AsyncDisposableStack()
  const made = await bringHead(files, lease.held, rollBackTo)
  if (made) deps.live.onCommitted(made)
  for (const message of files.pins.takeLeft()) deps.live.onPinned(message, { failure: lostPin() })
  const live = stack.use(new LiveWorkspace(deps.live, parts))
  await live.run(services)
  stack.move()
  return live
}

function lostPin(): Failure {
  return new Failure(
    'sandbox-gone',
    'the host ended before the checkpoint was durable: the head is older than it',
  )
}

/** The files are what the next commit goes on from. Resolves with a generation that had to be made for that. */
async function bringHead(
  files: ResidentFiles,
  lease: HeldLease,
  rollBackTo: string | null,
): Promise<GenerationRow | undefined> {
  const { index } = files
  const { head, forkedFrom } = await index.workspace(lease.workspace)
  if (rollBackTo !== null) {
    const old = await generationOf(files, rollBackTo)
    return await continueFrom(files, lease, { generation: old, cause: 'rollback' })
  }
  if (head === null && forkedFrom !== null)
    return await continueFrom(files, lease, { generation: await index.generation(forkedFrom), cause: 'fork' })
  await files.bring(head === null ? null : await index.generation(head))
  return undefined
}

/** A generation of this workspace. Rejects with `not-found`. */
export async function generationOf(files: ResidentFiles, id: string): Promise<GenerationRow> {
  const row = await files.index.generation(id)
  if (row.workspace === files.workspace) return row
  throw new Failure('not-found', `no generation ${id} in this workspace`, { generation: id })
}

async function continueFrom(
  files: ResidentFiles,
  lease: HeldLease,
  from: { readonly generation: GenerationRow; readonly cause: GenerationCause },
): Promise<GenerationRow> {
  const { id, sequence } = from.generation
  await files.bring(from.generation)
  const request = { cause: from.cause, message: `of generation ${sequence}` }
  const row = await files.commitRoot(lease, id, request)
  await files.alias(id, row.id)
  return row
}
