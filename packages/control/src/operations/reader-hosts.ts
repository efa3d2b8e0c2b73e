import { Failure, isFailure } from '@holdfast/base/failure'
import type { HostRecord } from '../domain/host.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { HostLink } from '../ports/host-links.ts'
import type { Deps } from './context.ts'

type Placed = Pick<WorkspaceRecord, 'host' | 'seedHost'>

/**
 * The hosts that can read generations: every one that answers, first the one that runs the workspace or ran it last, which
 * has most of it at hand. Rejects with `no-host`.
 */
async function readerHosts(deps: Deps, { host, seedHost }: Placed): Promise<readonly HostRecord[]> {
  const there = (await deps.store.read.hosts.list()).filter(({ status }) => status !== 'lost')
  if (there.length === 0) throw new Failure('no-host', 'no host is there to read generations on')
  const near = there.filter(({ id }) => id === (host ?? seedHost))
  return [...near, ...there.filter((each) => !near.includes(each))]
}

/** Asks one host after another until one answers, were it by a refusal. */
export async function askReaders<Answer>(
  deps: Deps,
  record: Placed,
  ask: (link: HostLink) => Promise<Answer>,
): Promise<Answer> {
  let silent: unknown
  for (const { address } of await readerHosts(deps, record)) {
    try {
      return await ask(deps.links.to(address))
    } catch (error) {
      if (!isFailure(error, 'host-unreachable')) throw error
      silent = error
    }
  }
  throw silent
}

/** For bytes that can be sent once. */
export async function oneReader(deps: Deps, record: Placed): Promise<HostLink> {
  const hosts = await readerHosts(deps, record)
  return deps.links.to((hosts.find(({ status }) => status === 'ready') ?? hosts[0])?.address ?? '')
}
