import { readdirSync, readFileSync, statSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { systemClock } from '@holdfast/base/clock'
import {
  CreateCheckpoint,
  Diff,
  DiffQuery,
  Durable,
  Generation,
  GenerationEntries,
  GenerationFilesQuery,
  SyncWorkspace,
} from '@holdfast/protocol/rest/generation'
import { PageQuery, pageOf } from '@holdfast/protocol/rest/ground'
import {
  CreateWorkspace,
  Drill,
  ForkResults,
  ForkWorkspace,
  Lineage,
  ListWorkspaces,
  RemoveWorkspaceQuery,
  RollBackWorkspace,
  StopWorkspace,
  UpdateWorkspace,
  Workspace,
} from '@holdfast/protocol/rest/workspace'
import { z } from 'zod'
import { type DoubleRoute, Refusal, route } from './api-double-wire.ts'
import type { DoubleState } from './double-state.ts'
import { DoubleWorkspace } from './double-workspace.ts'

const ONE = '/v1/workspaces/{id}'
const Nothing = z.strictObject({})

type Params = Readonly<Record<string, string>>

/** Workspaces and their generations. */
export function workspaceRoutes(double: DoubleState): readonly DoubleRoute[] {
  const of = ({ id = '' }: Params) => double.workspace(id)
  return [
    route('POST /v1/workspaces', { body: CreateWorkspace, answer: Workspace }, async (_call, { body }) =>
      create(double, body),
    ),
    route(
      'GET /v1/workspaces',
      { query: PageQuery.extend(ListWorkspaces.shape), answer: pageOf(Workspace) },
      async (_call, { query }) => listed(double, query),
    ),
    route(`GET ${ONE}`, { answer: Workspace }, async (_call, { params }) => of(params).document),
    route(`PATCH ${ONE}`, { body: UpdateWorkspace, answer: Workspace }, async (_call, { params, body }) =>
      Object.assign(of(params).document, body),
    ),
    route(
      `DELETE ${ONE}`,
      { query: RemoveWorkspaceQuery, answer: Nothing },
      async (_call, { params, query }) => {
        const workspace = of(params)
        if (workspace.document.status !== 'stopped' && query.force === 'false')
          throw new Refusal(
            'invalid-state',
            `workspace ${params.id} is ${workspace.document.status}: stop it first`,
          )
        workspace[Symbol.dispose]()
        double.workspaces.delete(workspace.document.id)
        return {}
      },
    ),
    ...lifecycleRoutes(double),
    ...forkRoutes(double),
    ...generationRoutes(double),
  ]
}

function create(double: DoubleState, body: z.output<typeof CreateWorkspace>): Workspace {
  const known = [...double.workspaces.values()].find(({ document }) => document.name === body.name)
  if (body.name !== undefined && known !== undefined) {
    if (body.if_exists === 'connect') return known.document
    throw new Refusal('already-exists', `there is a workspace ${body.name}`)
  }
  const workspace = new DoubleWorkspace(body.name ?? null, body.labels)
  workspace.environment = body.environment
  Object.assign(workspace.document.limits, body.limits)
  double.workspaces.set(workspace.document.id, workspace)
  double.tell(workspace, 'workspace_status')
  return workspace.document
}

function listed(
  double: DoubleState,
  query: z.output<typeof ListWorkspaces> & z.output<typeof PageQuery>,
): { readonly items: readonly Workspace[]; readonly next_cursor: string | null } {
  const labels = [query.label ?? []].flat()
  const fitting = [...double.workspaces.values()]
    .map(({ document }) => document)
    .reverse()
    .filter(
      (each) =>
        (query.status === undefined || each.status === query.status) &&
        (query.include_archived === 'true' || each.archived_at === null) &&
        labels.every((label) =>
          Object.entries(each.labels).some(([name, value]) => `${name}=${value}` === label),
        ),
    )
  const from = Number(query.cursor ?? 0)
  // Small pages, so that every listing of a few workspaces has several.
  const until = from + Math.min(query.limit, 2)
  return { items: fitting.slice(from, until), next_cursor: until < fitting.length ? String(until) : null }
}

function lifecycleRoutes(double: DoubleState): readonly DoubleRoute[] {
  const of = ({ id = '' }: Params) => double.workspace(id)
  return [
    route(`POST ${ONE}/stop`, { body: StopWorkspace, answer: Workspace }, async (_call, { params }) => {
      const workspace = of(params)
      if (workspace.document.status === 'stopped') return workspace.document
      workspace.become('stopping')
      workspace.endExecs()
      workspace.commit('stop')
      workspace.become('stopped')
      double.tell(workspace, 'workspace_status')
      return workspace.document
    }),
    ...(['resume', 'restart'] as const).map((action) =>
      route(`POST ${ONE}/${action}`, { body: Nothing, answer: Workspace }, async (_call, { params }) => {
        const workspace = of(params)
        if (action === 'resume' && workspace.document.status === 'idle') return workspace.document
        if (action === 'restart') workspace.commit('restart')
        workspace.become('provisioning')
        // Told before it is ready: a client has to wait.
        const told = { ...workspace.document }
        workspace.become('idle')
        double.tell(workspace, 'workspace_status')
        return told
      }),
    ),
    ...(['archive', 'unarchive'] as const).map((action) =>
      route(`POST ${ONE}/${action}`, { body: Nothing, answer: Workspace }, async (_call, { params }) => {
        const { document } = of(params)
        if (document.status !== 'stopped')
          throw new Refusal('invalid-state', `it is ${document.status}: stop it first`)
        document.archived_at = action === 'archive' ? systemClock.wallMs() : null
        return document
      }),
    ),
  ]
}

function forkRoutes(double: DoubleState): readonly DoubleRoute[] {
  const of = ({ id = '' }: Params) => double.workspace(id)
  return [
    route(
      `POST ${ONE}/fork`,
      { body: ForkWorkspace, answer: ForkResults },
      async (_call, { params, body }) => {
        const parent = of(params)
        const source = body.at === undefined ? parent.commit('fork') : parent.find(body.at)
        if (source === undefined) throw new Refusal('not-found', `no generation ${body.at}`)
        const items = Array.from({ length: body.count }, (_each, index) => {
          const name = body.name === undefined || body.count === 1 ? body.name : `${body.name}-${index + 1}`
          const child = new DoubleWorkspace(name ?? null, body.labels ?? {})
          child.document.parent_workspace_id = parent.document.id
          child.document.fork_source_snapshot_ref = source.id
          child.fill(parent.pathAt(source))
          double.workspaces.set(child.document.id, child)
          return { workspace: child.document, took_ms: 1.5 }
        })
        return { items }
      },
    ),
    route(`POST ${ONE}/drill`, { body: Nothing, answer: Drill }, async (_call, { params }) => {
      const { document } = of(params)
      if (document.head_generation === null) throw new Refusal('not-found', 'no generation yet')
      const { id: workspace_id, head_generation: generation } = document
      return {
        workspace_id,
        generation,
        outcome: 'verified',
        detail: '',
        took_ms: 3,
        at: systemClock.wallMs(),
      }
    }),
    route(`GET ${ONE}/lineage`, { answer: Lineage }, async (_call, { params }) => {
      const { document } = of(params)
      const family = [...double.workspaces.values()].filter(
        (each) => each.document.id === document.id || each.document.parent_workspace_id === document.id,
      )
      return {
        items: family.map(({ document: each }) => ({
          id: each.id,
          name: each.name,
          status: each.status,
          parent_workspace_id: each.parent_workspace_id,
          fork_source_snapshot_ref: each.fork_source_snapshot_ref,
          created_at: each.created_at,
        })),
      }
    }),
  ]
}

function generationRoutes(double: DoubleState): readonly DoubleRoute[] {
  const of = ({ id = '' }: Params) => double.workspace(id)
  const find = (params: Params, named: string) => {
    const found = of(params).find(named)
    if (found === undefined) throw new Refusal('not-found', `no generation ${named}`)
    return found
  }
  return [
    route(`POST ${ONE}/sync`, { body: SyncWorkspace, answer: Durable }, async (_call, { params, body }) => {
      of(params).requireKept(body.epoch)
      return { generation: of(params).commit('sync'), is_new: true, frozen_ms: 5.5 }
    }),
    route(
      `POST ${ONE}/checkpoints`,
      { body: CreateCheckpoint, answer: Durable },
      async (_call, { params, body }) => {
        of(params).requireKept(body.epoch)
        return { generation: of(params).commit('checkpoint', body.message), is_new: true, frozen_ms: 5.5 }
      },
    ),
    route(
      `GET ${ONE}/checkpoints`,
      { query: PageQuery, answer: pageOf(Generation) },
      async (_call, { params }) => ({
        items: of(params).generations.filter(({ cause }) => cause === 'checkpoint'),
        next_cursor: null,
      }),
    ),
    route(
      `GET ${ONE}/generations`,
      { query: PageQuery, answer: pageOf(Generation) },
      async (_call, { params }) => ({ items: of(params).generations, next_cursor: null }),
    ),
    route(`GET ${ONE}/generations/{generation}`, { answer: Generation }, async (_call, { params }) =>
      find(params, params.generation ?? ''),
    ),
    route(
      `GET ${ONE}/generations/{generation}/diff`,
      { query: DiffQuery, answer: Diff },
      async (_call, { params, query }) => {
        const after = find(params, params.generation ?? '')
        const from = query.from ?? after.parent
        const before = from === null ? undefined : of(params).pathAt(find(params, from))
        return { entries: changes(before, of(params).pathAt(after)), databases: [], is_whole: true }
      },
    ),
    route(
      `GET ${ONE}/generations/{generation}/files`,
      { query: GenerationFilesQuery },
      async ({ response }, { params, query }) => {
        const path = join(of(params).pathAt(find(params, params.generation ?? '')), query.path)
        if (statSync(path).isDirectory()) return answerEntries(response, path)
        response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(readFileSync(path))
      },
    ),
    route(
      `POST ${ONE}/rollback`,
      { body: RollBackWorkspace, answer: Workspace },
      async (_call, { params, body }) => {
        const workspace = of(params)
        workspace.fill(workspace.pathAt(find(params, body.generation)))
        workspace.commit('rollback')
        return workspace.document
      },
    ),
  ]
}

function answerEntries(response: ServerResponse, path: string): void {
  const entries = readdirSync(path)
    .sort()
    .map((name) => {
      const { size: bytes, mode, mtimeMs } = statSync(join(path, name))
      const kind = statSync(join(path, name)).isDirectory() ? 'directory' : 'file'
      return { name, kind, bytes, mode: mode & 0o7777, modified_at: mtimeMs, target: null }
    })
  const document = GenerationEntries.parse({ entries, next_cursor: null })
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document))
}

function changes(
  before: string | undefined,
  after: string,
): readonly z.output<typeof Diff>['entries'][number][] {
  const filesOf = (base: string) =>
    new Map(
      readdirSync(base, { recursive: true, encoding: 'utf8' })
        .filter((name) => statSync(join(base, name)).isFile())
        .map((name) => [name, readFileSync(join(base, name), 'utf8')]),
    )
  const [old, now] = [before === undefined ? new Map<string, string>() : filesOf(before), filesOf(after)]
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((path) => old.get(path) !== now.get(path))
    .sort()
    .map((path) => ({
      path,
      change: !old.has(path) ? 'added' : now.has(path) ? 'changed' : 'removed',
      kind: 'file',
      bytes: now.get(path)?.length ?? null,
      aspects: old.has(path) && now.has(path) ? ['content'] : [],
    }))
}
