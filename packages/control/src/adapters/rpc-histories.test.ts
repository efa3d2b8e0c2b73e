import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '@holdfast/base/failure'
import { HISTORY_CALLS } from '@holdfast/protocol/history-calls'
import { GenerationId, OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import { LEASE_CALLS } from '@holdfast/protocol/lease-calls'
import { RpcServer } from '@holdfast/rpc/rpc-server'
import { RpcHistories } from './rpc-histories.ts'

const CLUSTER_KEY = 'k'.repeat(32)
const ORG = OrgId.parse(`org_${'0'.repeat(26)}`)
const [PARENT, CHILD, STRANGER] = ['1', '2', '3'].map((digit) => WorkspaceId.parse(`ws_${digit.repeat(26)}`))

function generation(workspace: string, sequence: number) {
  return {
    id: GenerationId.parse(workspace.slice(-1).repeat(63) + sequence),
    ...{
      workspace,
      parent: null,
      sequence,
      recordPack: 'p',
      root: 'r',
      cause: 'sync',
      message: '',
      createdAt: 5,
    },
    ...{ files: 1, bytes: 1, consistency: 'cut', epoch: 1, verifiedAt: null, retained: true },
  } as const
}

/** A lease role that knows a parent with three generations and a child that was forked at its second. */
async function leaseRole(): Promise<RpcServer> {
  const server = await RpcServer.listen({ address: 'http://127.0.0.1:0', clusterKey: CLUSTER_KEY })
  const known = [1, 2, 3]
    .map((sequence) => generation(String(PARENT), sequence))
    .concat([generation(String(CHILD), 3)] as never)
  const answers: Record<string, (request: never) => Promise<unknown>> = {
    createWorkspace: async ({ id }: { id: string }) => {
      if (id === PARENT) throw new Failure('already-exists', 'it is there')
      return {}
    },
    workspace: async ({ id }: { id: string }) => {
      const forkedFrom = id === CHILD ? generation(String(PARENT), 2).id : null
      return { id, org: ORG, epoch: 1, head: null, forkedFrom }
    },
    generation: async ({ id }: { id: string }) => {
      const found = known.find((candidate) => candidate.id === id)
      if (found) return found
      throw new Failure('not-found', 'no such generation')
    },
    history: async ({ workspace }: { workspace: string }) => ({
      generations: known.filter((candidate) => candidate.workspace === workspace),
    }),
    leaseStates: async ({ workspaces }: { workspaces: string[] }) => ({
      states: workspaces.map((workspace) => ({
        workspace,
        epoch: 1,
        host: null,
        remainingMs: -1,
        head: null,
      })),
    }),
  }
  server.serve(HISTORY_CALLS, answers as never)
  const { leaseStates } = LEASE_CALLS
  server.serve({ leaseStates }, { leaseStates: answers.leaseStates } as never)
  return server
}

test('a generation is found from a workspace whose history holds it, and from no other', async () => {
  await using role = await leaseRole()
  await using histories = new RpcHistories({ address: role.address, clusterKey: CLUSTER_KEY })
  const [second, third] = [generation(String(PARENT), 2), generation(String(PARENT), 3)]
  assert.ok(PARENT && CHILD && STRANGER)
  assert.equal((await histories.byId(PARENT, third.id))?.sequence, 3)
  assert.equal((await histories.byId(CHILD, second.id))?.sequence, 2)
  assert.equal(await histories.byId(CHILD, third.id), undefined, 'it came after the fork')
  assert.equal(await histories.byId(STRANGER, second.id), undefined)
  assert.equal(await histories.byId(PARENT, GenerationId.parse('f'.repeat(64))), undefined)
})

test('a history that exists is made again without an error; pages and leases come as they are', async () => {
  await using role = await leaseRole()
  await using histories = new RpcHistories({ address: role.address, clusterKey: CLUSTER_KEY })
  assert.ok(PARENT && CHILD)
  await histories.create({ org: ORG, workspace: PARENT, forkedFrom: null })
  await histories.create({ org: ORG, workspace: CHILD, forkedFrom: generation(String(PARENT), 2).id })
  const [first] = await histories.list(PARENT, { limit: 5 })
  assert.deepEqual(Object.keys(first ?? {}).includes('root'), false)
  assert.equal((await histories.leaseStates([PARENT]))[0]?.remainingMs, -1)
  assert.deepEqual(await histories.leaseStates([]), [])
  await role[Symbol.asyncDispose]()
  await assert.rejects(histories.list(PARENT, { limit: 1 }), { code: 'index-unavailable' })
})
