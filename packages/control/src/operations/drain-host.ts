import { Failure } from '@holdfast/base/failure'
import { HostId } from '@holdfast/protocol/identifiers'
import type { HostRecord } from '../domain/host.ts'
import type { Caller, Deps } from './context.ts'
import { audited } from './tell-event.ts'

/** The host takes no new workspace from now on; the reconciler hands every one that it has to others. */
export async function drainHost(deps: Deps, caller: Caller, name: string): Promise<HostRecord> {
  const id = HostId.safeParse(name)
  const drained = await deps.store.write(async (changes) => {
    const host = id.success ? await changes.hosts.byId(id.data) : undefined
    if (host === undefined) throw new Failure('not-found', 'there is no such host')
    const next: HostRecord = { ...host, status: 'draining' }
    await changes.hosts.put(next)
    changes.emit(audited(caller, { type: 'host_drain', at: deps.clock.wallMs(), payload: { host: host.id } }))
    return next
  })
  await deps.links.to(drained.address).call('drain', {})
  return drained
}
