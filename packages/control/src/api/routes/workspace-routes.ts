import { PageQuery, pageOf, WaitQuery } from '@holdfast/protocol/rest/ground'
import { fromWire } from '@holdfast/protocol/rest/wire-case'
import {
  CreateWorkspace,
  HandOffWorkspace,
  HandoffResult,
  Lineage,
  ListWorkspaces,
  RemoveWorkspaceQuery,
  RollBackWorkspace,
  StopWorkspace,
  UpdateWorkspace,
  Workspace,
} from '@holdfast/protocol/rest/workspace'
import { z } from 'zod'
import { parseWaitMs } from '../../domain/duration.ts'
import type { WorkspaceRecord } from '../../domain/workspace.ts'
import { archiveWorkspace, unarchiveWorkspace } from '../../operations/archive-workspace.ts'
import { createWorkspace } from '../../operations/create-workspace.ts'
import { findWorkspace, settled } from '../../operations/find-workspace.ts'
import { handOffWorkspace } from '../../operations/hand-off-workspace.ts'
import { listWorkspaces } from '../../operations/list-workspaces.ts'
import { removeWorkspace } from '../../operations/remove-workspace.ts'
import { restartWorkspace } from '../../operations/restart-workspace.ts'
import { resumeWorkspace } from '../../operations/resume-workspace.ts'
import { rollBackWorkspace } from '../../operations/roll-back-workspace.ts'
import { lineageOf } from '../../operations/show-lineage.ts'
import { stopWorkspace } from '../../operations/stop-workspace.ts'
import { updateWorkspace } from '../../operations/update-workspace.ts'
import { type Call, type Route, route } from '../route.ts'
import { shownWorkspace, shownWorkspaces } from '../shapes/workspace-shape.ts'

const Nothing = z.strictObject({})
type Waiting = z.output<typeof WaitQuery>

/** The workspace as it is once it rests, or after `?wait=`. */
async function waited({ deps, query }: Call<Waiting, unknown>, record: WorkspaceRecord) {
  const waitMs = parseWaitMs(query.wait)
  return await shownWorkspace(deps, waitMs === 0 ? record : await settled(deps, record, waitMs))
}

function id({ params }: Call<unknown, unknown>): string {
  return params.id ?? ''
}

function labelPairs(label: string | readonly string[] | undefined): (readonly [string, string])[] {
  const texts = label === undefined ? [] : [label].flat()
  return texts.map((text) => {
    const [name = '', ...value] = text.split('=')
    return [name, value.join('=')]
  })
}

const READING: readonly Route[] = [
  route(
    {
      endpoint: 'GET /v1/workspaces',
      scope: 'workspace:read',
      summary: 'Lists workspaces, newest first.',
      query: z.strictObject({ ...PageQuery.shape, ...ListWorkspaces.shape }),
      answer: pageOf(Workspace),
    },
    async ({ deps, caller, query }) => {
      const { limit, cursor, status, name, label, include_archived } = query
      const page = await listWorkspaces(deps, caller, {
        ...(status === undefined ? {} : { status }),
        ...(name === undefined ? {} : { name }),
        ...(cursor === undefined ? {} : { cursor }),
        labels: labelPairs(label),
        includeArchived: include_archived === 'true',
        limit,
      })
      return { items: await shownWorkspaces(deps, page.items), next_cursor: page.next }
    },
  ),
  route(
    {
      endpoint: 'GET /v1/workspaces/{id}',
      scope: 'workspace:read',
      summary: 'Shows a workspace; with `wait` once its status rests.',
      query: WaitQuery,
      answer: Workspace,
    },
    async (call) => await waited(call, await findWorkspace(call.deps, call.caller, id(call))),
  ),
  route(
    {
      endpoint: 'GET /v1/workspaces/{id}/lineage',
      scope: 'workspace:read',
      summary: 'Shows the tree of forks that a workspace belongs to.',
      answer: Lineage,
    },
    async (call) => {
      const records = await lineageOf(call.deps, call.caller, id(call))
      return {
        items: records.map((record) => ({
          id: record.id,
          name: record.name,
          status: record.status,
          parent_workspace_id: record.parent,
          fork_source_snapshot_ref: record.forkedFrom,
          created_at: record.createdAt,
        })),
      }
    },
  ),
]

const CHANGING: readonly Route[] = [
  route(
    {
      endpoint: 'POST /v1/workspaces',
      scope: 'workspace:write',
      summary: 'Makes a workspace; with `wait` answers once it is ready.',
      query: WaitQuery,
      body: CreateWorkspace,
      answer: Workspace,
      status: 201,
    },
    async (call) => await waited(call, await createWorkspace(call.deps, call.caller, fromWire(call.body))),
  ),
  route(
    {
      endpoint: 'PATCH /v1/workspaces/{id}',
      scope: 'workspace:write',
      summary: 'Changes name, labels or idle timeout.',
      body: UpdateWorkspace,
      answer: Workspace,
    },
    async (call) => {
      const update = fromWire(call.body)
      return await shownWorkspace(
        call.deps,
        await updateWorkspace(call.deps, call.caller, { workspace: id(call), update }),
      )
    },
  ),
  route(
    {
      endpoint: 'DELETE /v1/workspaces/{id}',
      scope: 'workspace:write',
      summary: 'Removes a workspace for good; with `force=true` also one that runs.',
      query: RemoveWorkspaceQuery,
    },
    async (call) => {
      await removeWorkspace(call.deps, call.caller, {
        workspace: id(call),
        force: call.query.force === 'true',
      })
    },
  ),
  action('resume', 'Starts a fresh sandbox on the head.', resumeWorkspace),
  action('restart', 'Commits, and starts a fresh sandbox.', restartWorkspace),
  action('archive', 'Hides a workspace that rests.', archiveWorkspace),
  action('unarchive', 'Shows an archived workspace again.', unarchiveWorkspace),
  route(
    {
      endpoint: 'POST /v1/workspaces/{id}/stop',
      scope: 'workspace:write',
      summary: 'Commits the last generation and ends the sandbox.',
      query: WaitQuery,
      body: StopWorkspace,
      answer: Workspace,
    },
    async (call) => {
      const wish = { workspace: id(call), ...fromWire(call.body) }
      return await waited(call, await stopWorkspace(call.deps, call.caller, wish))
    },
  ),
  route(
    {
      endpoint: 'POST /v1/workspaces/{id}/rollback',
      scope: 'workspace:write',
      summary: 'Continues from an older generation, as a new one.',
      query: WaitQuery,
      body: RollBackWorkspace,
      answer: Workspace,
    },
    async (call) => {
      const wish = { workspace: id(call), generation: call.body.generation }
      return await waited(call, await rollBackWorkspace(call.deps, call.caller, wish))
    },
  ),
  route(
    {
      endpoint: 'POST /v1/workspaces/{id}/handoff',
      scope: 'workspace:write',
      summary: 'Moves a running workspace to another host, losing nothing.',
      body: HandOffWorkspace,
      answer: HandoffResult,
    },
    async (call) => {
      const { host_id, drain_ms } = call.body
      const result = await handOffWorkspace(call.deps, call.caller, {
        workspace: id(call),
        host: host_id ?? null,
        drainMs: drain_ms,
      })
      const workspace = await shownWorkspace(call.deps, result.record)
      return { workspace, pause_ms: result.pauseMs, pre_copy_ms: result.preCopyMs }
    },
  ),
]

type Action = 'resume' | 'restart' | 'archive' | 'unarchive'

function action(
  name: Action,
  summary: string,
  operation: (
    deps: Call<unknown, unknown>['deps'],
    caller: Call<unknown, unknown>['caller'],
    workspace: string,
  ) => Promise<WorkspaceRecord>,
): Route {
  return route(
    {
      endpoint: `POST /v1/workspaces/{id}/${name}`,
      scope: 'workspace:write',
      summary,
      query: WaitQuery,
      body: Nothing,
      answer: Workspace,
    },
    async (call) => await waited(call, await operation(call.deps, call.caller, id(call))),
  )
}

export const WORKSPACE_ROUTES: readonly Route[] = [...READING, ...CHANGING]
