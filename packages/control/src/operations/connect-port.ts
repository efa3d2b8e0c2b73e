import type { Duplex } from 'node:stream'
import { HOST_STREAMS, PORT_PROTOCOL } from '@holdfast/protocol/host-streams'
import type { Caller, Deps } from './context.ts'
import { findWorkspace, linkOf, liveOrRefused } from './find-workspace.ts'

const WAIT_MS = 10_000

/**
 * A connection to 127.0.0.1:`port` inside a workspace. Rejects with `not-found`, `invalid-state` where it does not run,
 * and with `port-unreachable` where nothing listens.
 */
export async function connectPort(
  deps: Deps,
  caller: Caller,
  wish: { readonly workspace: string; readonly port: number },
): Promise<Duplex> {
  const found = await findWorkspace(deps, caller, wish.workspace)
  const { id: workspace, epoch } = await liveOrRefused(deps, found, WAIT_MS)
  const link = await linkOf(deps, found)
  return await link.upgrade(HOST_STREAMS.port, { workspace, port: wish.port, epoch }, PORT_PROTOCOL)
}
