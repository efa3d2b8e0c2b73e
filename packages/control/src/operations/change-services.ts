import { Failure, isFailure } from '@holdfast/base/failure'
import type { ServiceSpec, ServiceState } from '@holdfast/protocol/service'
import { isLive } from '../domain/transitions.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Caller, Deps } from './context.ts'
import { findWorkspace, linkOf, takeWorkspace } from './find-workspace.ts'
import { audited } from './tell-event.ts'

export interface ShownService {
  readonly spec: ServiceSpec
  /** Null: the workspace does not run. */
  readonly state: ServiceState | null
}

const SERVICES_MAX = 64

/** Keeps a service, and starts it where the workspace runs; again with the same name replaces it. */
export async function putService(
  deps: Deps,
  caller: Caller,
  wish: { readonly workspace: string; readonly spec: ServiceSpec },
): Promise<ShownService> {
  const { id } = await findWorkspace(deps, caller, wish.workspace)
  const { spec } = wish
  const record = await deps.store.write(async (changes) => {
    const current = await takeWorkspace(changes, id)
    const known = await changes.services.list(id)
    if (known.length >= SERVICES_MAX && known.every(({ name }) => name !== spec.name))
      throw new Failure('invalid-argument', `a workspace has at most ${SERVICES_MAX} services`, {
        argument: 'name',
      })
    await changes.services.put(id, spec)
    const payload = { name: spec.name, argv: spec.argv, port: spec.port ?? null }
    changes.emit(
      audited(caller, { type: 'service_put', at: deps.clock.wallMs(), workspace: current, payload }),
    )
    return current
  })
  const states = await applied(deps, record)
  return { spec, state: states.find(({ name }) => name === spec.name) ?? null }
}

export async function removeService(
  deps: Deps,
  caller: Caller,
  wish: { readonly workspace: string; readonly name: string },
): Promise<void> {
  const { id } = await findWorkspace(deps, caller, wish.workspace)
  const record = await deps.store.write(async (changes) => {
    const current = await takeWorkspace(changes, id)
    if (!(await changes.services.remove(id, wish.name)))
      throw new Failure('not-found', `there is no service ${wish.name}`)
    const payload = { name: wish.name }
    changes.emit(
      audited(caller, { type: 'service_remove', at: deps.clock.wallMs(), workspace: current, payload }),
    )
    return current
  })
  await applied(deps, record)
}

export async function listServices(
  deps: Deps,
  caller: Caller,
  name: string,
): Promise<readonly ShownService[]> {
  const record = await findWorkspace(deps, caller, name)
  const specs = await deps.store.read.services.list(record.id)
  const states = isLive(record.status) && specs.length > 0 ? await statesOf(deps, record) : []
  return specs.map((spec) => ({ spec, state: states.find((state) => state.name === spec.name) ?? null }))
}

async function statesOf(deps: Deps, record: WorkspaceRecord): Promise<readonly ServiceState[]> {
  try {
    return (await (await linkOf(deps, record)).call('serviceStates', { workspace: record.id })).services
  } catch (error) {
    // What is kept can be shown while its host does not answer.
    if (isFailure(error)) return []
    throw error
  }
}

/** Brings the host to what is kept; a workspace that does not run is opened with it. */
async function applied(deps: Deps, record: WorkspaceRecord): Promise<readonly ServiceState[]> {
  if (!isLive(record.status)) return []
  const services = await deps.store.read.services.list(record.id)
  const link = await linkOf(deps, record)
  return (await link.call('setServices', { workspace: record.id, services: [...services] })).services
}
