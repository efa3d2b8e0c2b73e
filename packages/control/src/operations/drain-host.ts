import { Failure } from '@holdfast/base/failure'
import { HostId } from '@holdfast/protocol/identifiers'
import { drainedHost, type HostRecord } from '../domain/host.ts'
import type { Caller, Deps } from './context.ts'
import { audited } from './tell-event.ts'

/** The host takes no new workspace from now on; the reconciler hands every one that it has to others. */
export async function drainHost(deps: Deps, caller: Caller, name: string): Promise<HostRecord> {
  const id = await idOf(deps, name)
  const drained = await deps.store.write(async (changes) => {
    const host = await changes.hosts.byId(id)
    if (host === undefined) throw new Failure('not-found', 'there is no such host')
    const next = drainedHost(host)
    await changes.hosts.put(next)
    changes.emit(audited(caller, { type: 'host_drain', at: deps.clock.wallMs(), payload: { host: host.id } }))
    return next
  })
  await deps.links.to(drained.address).call('drain', {})
  return drained
}

/** By id, or by a name that no other host has. */
async function idOf(deps: Deps, name: string): Promise<HostId> {
  const id = HostId.safeParse(name)
  if (id.success) return id.data
  const named = (await deps.store.read.hosts.list()).filter((host) => host.name === name)
  const [host] = named
  if (host === undefined) throw new Failure('not-found', `no host is called ${name}`)
  if (named.length === 1) return host.id
  throw new Failure('invalid-argument', `${named.length} hosts are called ${name}: name one by its id`)
}
