import { Failure } from '@holdfast/base/failure'
import { refuseWithoutRoom } from '@holdfast/generations/directory/drill-chore'
import { drillGeneration } from '@holdfast/generations/maintenance/drill-generation'
import type { HOST_CALLS } from '@holdfast/protocol/host-calls'
import { GenerationId } from '@holdfast/protocol/identifiers'
import type { RpcParsed, RpcResponse } from '@holdfast/protocol/rpc-table'
import type { HostAgentDeps } from './host-agent-deps.ts'
import type { ResidentWorkspaces } from './resident-workspaces.ts'

const GUEST_PATH = '/workspace'

/**
 * Restores a generation, the head where none is named, from the store, and proves it. Rejects with `unsupported-here`
 * where a database of it could not be checked.
 */
export async function drill(
  deps: HostAgentDeps & { readonly residents: ResidentWorkspaces },
  { workspace, org, generation: wanted }: RpcParsed<typeof HOST_CALLS, 'drill'>,
): Promise<RpcResponse<typeof HOST_CALLS, 'drill'>> {
  const { residents, clock } = deps
  const beganAt = clock.monotonicMs()
  await using directory = await residents.history({ workspace, org })
  const id = wanted ?? (await directory.index.workspace(workspace)).head
  if (id === null) throw new Failure('not-found', `${workspace} has no generation yet`, { workspace })
  const generation = await directory.index.generation(id)
  const scratch = residents.drills
  refuseWithoutRoom(generation, scratch)
  const { store, index, coding, sealKey } = directory
  const { randomness, isRoot, holdfs, threads } = deps
  const outcome = await drillGeneration(
    { store, index, coding, sealKey, clock, randomness, isRoot, holdfs, threads, giveWay: async () => {} },
    { org, generation, scratch, mountPath: GUEST_PATH },
  )
  const answer = { generation: GenerationId.parse(id), tookMs: clock.monotonicMs() - beganAt }
  switch (outcome.kind) {
    case 'verified':
      return { ...answer, outcome: 'verified', detail: `${outcome.files} files, ${outcome.bytes} bytes` }
    case 'failed':
      return { ...answer, outcome: 'damaged', detail: outcome.problem }
    case 'unchecked':
      throw new Failure('unsupported-here', 'a database of it could not be opened here', { generation: id })
  }
}
