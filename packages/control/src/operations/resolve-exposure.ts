import { Failure } from '@holdfast/base/failure'
import type { CONTROL_CALLS } from '@holdfast/protocol/control-calls'
import type { RpcParsed, RpcResponse } from '@holdfast/protocol/rpc-table'
import { isLive } from '../domain/transitions.ts'
import type { Deps } from './context.ts'
import { hostOf, liveOrRefused } from './find-workspace.ts'
import { resume } from './resume-workspace.ts'

type Calls = typeof CONTROL_CALLS
const RESUME_MS_MAX = 25_000

/** Where a request for a served port goes; what is not exposed is as unknown as what does not exist. */
export async function resolveExposure(
  deps: Deps,
  request: RpcParsed<Calls, 'resolveExposure'>,
): Promise<RpcResponse<Calls, 'resolveExposure'>> {
  const { workspace: name, port } = request
  const found = await deps.store.read.workspaces.findAnywhere(name)
  const exposure = found && (await deps.store.read.exposures.find(found.id, port))
  if (found === undefined || exposure === undefined) throw new Failure('not-found', 'nothing is served there')
  let record = found
  if (!isLive(record.status) && request.resume) {
    const gateway = { org: record.org, user: 'gateway', actor: 'gateway', scopes: [], randomness: NONE }
    const asked = record.status === 'stopped' ? await resume(deps, gateway, record.id) : record
    record = await liveOrRefused(deps, asked, RESUME_MS_MAX)
  }
  const hostAddress = isLive(record.status) ? (await hostOf(deps, record)).address : null
  const { id, org, epoch } = record
  return { workspace: id, org, epoch, hostAddress, access: exposure.access, exposure: exposure.id }
}

/** Waking makes nothing new. */
const NONE = { bytes: (count: number) => new Uint8Array(count) }
