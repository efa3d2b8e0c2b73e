import type { GenerationIndex } from '@holdfast/generations/index/generation-index'
import { HISTORY_CALLS } from '@holdfast/protocol/history-calls'
import { LEASE_CALLS } from '@holdfast/protocol/lease-calls'
import { type RpcHandlers, RpcServer, type RpcServerOptions } from '@holdfast/rpc/rpc-server'
import type { LeaseRegistry } from './lease-registry.ts'

export interface LeaseRoleOptions extends RpcServerOptions {
  /** Both in the same database; the role opened neither and closes neither. */
  readonly index: GenerationIndex
  readonly registry: LeaseRegistry
}

/**
 * Answers for leases, epochs and histories. It keeps nothing outside the database, so there may be several on one
 * database, and one that is killed at any moment loses nothing that it has answered.
 */
export async function startLeaseRole(options: LeaseRoleOptions): Promise<RpcServer> {
  const { index, registry, ...listening } = options
  const server = await RpcServer.listen(listening)
  server.serve(LEASE_CALLS, registryHandlers(registry))
  server.serve(HISTORY_CALLS, historyHandlers(index))
  return server
}

export function registryHandlers(registry: LeaseRegistry): RpcHandlers<typeof LEASE_CALLS> {
  return {
    acquireLease: (request) => registry.acquireLease(request),
    renewLeases: (request) => registry.renewLeases(request),
    releaseLease: (request) => registry.releaseLease(request),
    leaseStates: (request) => registry.leaseStates(request),
  }
}

export function historyHandlers(index: GenerationIndex): RpcHandlers<typeof HISTORY_CALLS> {
  return {
    createWorkspace: (workspace) => done(index.createWorkspace(workspace)),
    workspace: ({ id }) => index.workspace(id),
    workspaces: async ({ org }) => ({ workspaces: await index.workspaces(org) }),
    append: ({ lease, commit }) => done(index.append(lease, commit)),
    generation: ({ id }) => index.generation(id),
    history: async ({ workspace, page }) => ({ generations: await index.history(workspace, page) }),
    markVerified: ({ id, verifiedAt }) => done(index.markVerified(id, verifiedAt)),
    dropGenerations: ({ ids }) => done(index.dropGenerations(ids)),
    chunkIndex: ({ workspace }) => index.chunkIndex(workspace),
    replaceIndex: ({ lease, replacement }) => done(index.replaceIndex(lease, replacement)),
    gcClock: async ({ org }) => ({ clock: await index.gcClock(org) }),
    packs: async ({ org, state }) => ({ packs: await index.packs(org, state) }),
    condemnPacks: async ({ org, names, condemnedAt }) => ({
      clock: await index.condemnPacks(org, names, condemnedAt),
    }),
    reprievePacks: ({ org, names }) => done(index.reprievePacks(org, names)),
    advanceBoundary: ({ org, clock }) => done(index.advanceBoundary(org, clock)),
    forgetPacks: ({ org, names }) => done(index.forgetPacks(org, names)),
  }
}

async function done(write: Promise<void>): Promise<Record<string, never>> {
  await write
  return {}
}
