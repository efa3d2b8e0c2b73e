import {
  CheckpointTaken,
  CreateCheckpoint,
  Durable,
  Generation,
  SyncWorkspace,
} from '@holdfast/protocol/rest/generation'
import { PageQuery, pageOf, WaitQuery } from '@holdfast/protocol/rest/ground'
import { Drill, ForkResults, ForkWorkspace } from '@holdfast/protocol/rest/workspace'
import { z } from 'zod'
import { parseWaitMs } from '../../domain/duration.ts'
import { drillWorkspace } from '../../operations/drill-workspace.ts'
import { forkWorkspace } from '../../operations/fork-workspace.ts'
import { listGenerations, showGeneration } from '../../operations/list-generations.ts'
import { syncWorkspace, takeCheckpoint } from '../../operations/sync-workspace.ts'
import { type Call, type Route, route } from '../route.ts'
import { shownCheckpoint, shownDurable, shownGeneration } from '../shapes/generation-shape.ts'
import { shownDrill, shownWorkspace } from '../shapes/workspace-shape.ts'

const Nothing = z.strictObject({})

function id({ params }: Call<unknown, unknown>): string {
  return params.id ?? ''
}

async function page(call: Call<z.output<typeof PageQuery>, unknown>, checkpointsOnly: boolean) {
  const { cursor, limit } = call.query
  const { items, next } = await listGenerations(call.deps, call.caller, {
    ...{ workspace: id(call), cursor, limit, checkpointsOnly },
  })
  return { items: items.map(shownGeneration), next_cursor: next }
}

export const GENERATION_ROUTES: readonly Route[] = [
  route(
    {
      endpoint: 'GET /v1/workspaces/{id}/generations',
      scope: 'workspace:read',
      summary: 'Lists generations, newest first.',
      query: PageQuery,
      answer: pageOf(Generation),
    },
    (call) => page(call, false),
  ),
  route(
    {
      endpoint: 'GET /v1/workspaces/{id}/checkpoints',
      scope: 'workspace:read',
      summary: 'Lists checkpoints, newest first.',
      query: PageQuery,
      answer: pageOf(Generation),
    },
    (call) => page(call, true),
  ),
  route(
    {
      endpoint: 'GET /v1/workspaces/{id}/generations/{generation}',
      scope: 'workspace:read',
      summary: 'Shows a generation by id, number or the beginning of its id.',
      answer: Generation,
    },
    async (call) => {
      const name = { workspace: id(call), generation: call.params.generation ?? '' }
      return shownGeneration(await showGeneration(call.deps, call.caller, name))
    },
  ),
  route(
    {
      endpoint: 'POST /v1/workspaces/{id}/sync',
      scope: 'workspace:write',
      summary: 'Commits the present state: durable once it answers.',
      body: SyncWorkspace,
      answer: Durable,
    },
    async (call) => {
      const wish = { workspace: id(call), epoch: call.body.epoch }
      return shownDurable(await syncWorkspace(call.deps, call.caller, wish))
    },
  ),
  route(
    {
      endpoint: 'POST /v1/workspaces/{id}/checkpoints',
      scope: 'workspace:write',
      summary: 'Commits a generation with a message, which retention keeps.',
      body: CreateCheckpoint,
      answer: CheckpointTaken,
      status: 201,
    },
    async (call) => {
      const { epoch, message, until } = call.body
      const wish = { workspace: id(call), epoch, message, until }
      return shownCheckpoint(await takeCheckpoint(call.deps, call.caller, wish))
    },
  ),
  route(
    {
      endpoint: 'POST /v1/workspaces/{id}/fork',
      scope: 'workspace:write',
      summary: 'Makes independent children of the present state, or of a generation.',
      query: WaitQuery,
      body: ForkWorkspace,
      answer: ForkResults,
      status: 201,
    },
    async (call) => {
      const { at, name, count, labels } = call.body
      const wish = { workspace: id(call), at, name, count, labels, waitMs: parseWaitMs(call.query.wait) }
      const results = await forkWorkspace(call.deps, call.caller, wish)
      const items = results.map(async (result) => {
        if (result.kind === 'forked')
          return { workspace: await shownWorkspace(call.deps, result.record), took_ms: result.tookMs }
        const { code, message } = result.failure
        return { failure: { code: code.replaceAll('-', '_'), message } }
      })
      return { items: await Promise.all(items) }
    },
  ),
  route(
    {
      endpoint: 'POST /v1/workspaces/{id}/drill',
      scope: 'workspace:write',
      summary: 'Restores the head for real and checks it.',
      body: Nothing,
      answer: Drill,
    },
    async (call) => shownDrill(await drillWorkspace(call.deps, call.caller, id(call))),
  ),
]
