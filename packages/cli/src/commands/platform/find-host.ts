import { Failure } from '@holdfast/base/failure'
import type { HostState } from '@holdfast/client/platform'
import type { Context } from '../../open-context.ts'

const PREFIX_CHARACTERS_MIN = 8

/** The host of that name or id, or whose id begins so. Rejects with `not-found`, or `invalid-argument` if several do. */
export async function findHost(context: Context, reference: string): Promise<HostState> {
  const fitting: HostState[] = []
  for await (const host of (await context.server()).platform.hosts()) {
    if (host.id === reference || host.name === reference) return host
    if (reference.length >= PREFIX_CHARACTERS_MIN && host.id.startsWith(reference)) fitting.push(host)
  }
  const [found, another] = fitting
  if (another) throw new Failure('invalid-argument', `several hosts have ids that begin with ${reference}`)
  if (found) return found
  throw new Failure('not-found', `no host is called ${reference}`, { host: reference })
}
