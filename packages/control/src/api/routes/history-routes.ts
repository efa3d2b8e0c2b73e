import type { GenerationEntry } from '@holdfast/protocol/browse-calls'
import {
  Diff,
  DiffQuery,
  ExportQuery,
  GenerationEntries,
  GenerationFilesQuery,
  ImportQuery,
  SqliteAnswer,
  SqliteQuery,
} from '@holdfast/protocol/rest/generation'
import { Workspace } from '@holdfast/protocol/rest/workspace'
import type { z } from 'zod'
import { exportWorkspace, importWorkspace } from '../../operations/carry-bundle.ts'
import {
  diffGenerations,
  listGenerationFiles,
  openGenerationFile,
  queryGeneration,
  reachGeneration,
} from '../../operations/read-generation.ts'
import { type Call, type Route, route, streamRoute, type Wire } from '../route.ts'
import { shownWorkspace } from '../shapes/workspace-shape.ts'
import { sendBytes, sendJson } from './send-bytes.ts'

const BYTES = 'application/octet-stream'
const TAR = 'application/x-tar'

function nameOf({ params }: Call<unknown, unknown>) {
  return { workspace: params.id ?? '', generation: params.generation ?? '' }
}

function shownEntry({ name, kind, bytes, mode, modifiedAt, target }: GenerationEntry) {
  return { name, kind, bytes, mode, modified_at: modifiedAt, target }
}

async function readFiles(
  call: Call<z.output<typeof GenerationFilesQuery>, undefined>,
  wire: Wire,
): Promise<void> {
  const { path, limit, cursor: after } = call.query
  const { range, accept = '' } = wire.incoming.headers
  const found = await reachGeneration(call.deps, call.caller, nameOf(call))
  if (range === undefined && !accept.includes(BYTES)) {
    const { entry, entries, next } = await listGenerationFiles(found, { path, limit, after })
    if (entry.kind === 'directory' || entry.kind === 'symlink') {
      const named = entry.kind === 'directory' ? entries : [entry]
      const document = { entries: named.map(shownEntry), next_cursor: next }
      return sendJson(wire, 200, GenerationEntries.parse(document))
    }
  }
  await sendBytes(wire, await openGenerationFile(found, { path, range, signal: call.signal }), BYTES)
}

async function diff(call: Call<z.output<typeof DiffQuery>, unknown>): Promise<z.input<typeof Diff>> {
  const name = { ...nameOf(call), from: call.query.from }
  const { entries, databases, isWhole } = await diffGenerations(call.deps, call.caller, name)
  return {
    entries,
    databases: databases.map(({ path, tables, notCounted }) => ({
      path,
      tables: tables.map(({ name: table, rowsBefore, rowsAfter }) => ({
        ...{ name: table, rows_before: rowsBefore, rows_after: rowsAfter },
      })),
      not_counted: notCounted,
    })),
    is_whole: isWhole,
  }
}

export const HISTORY_ROUTES: readonly Route[] = [
  streamRoute(
    {
      endpoint: 'GET /v1/workspaces/{id}/generations/{generation}/files',
      scope: 'workspace:read',
      summary: 'Lists a directory of a generation, or reads a file of it.',
      query: GenerationFilesQuery,
      answer: GenerationEntries,
    },
    readFiles,
  ),
  route(
    {
      endpoint: 'GET /v1/workspaces/{id}/generations/{generation}/diff',
      scope: 'workspace:read',
      summary: 'Tells what changed between two generations.',
      query: DiffQuery,
      answer: Diff,
    },
    diff,
  ),
  route(
    {
      endpoint: 'GET /v1/workspaces/{id}/generations/{generation}/sqlite',
      scope: 'workspace:read',
      summary: 'Asks a database of a generation.',
      query: SqliteQuery,
      answer: SqliteAnswer,
    },
    async (call) => {
      const { path, sql } = call.query
      const asked = { ...nameOf(call), path, sql }
      const { columns, rows, isWhole } = await queryGeneration(call.deps, call.caller, asked)
      return { columns, rows, is_whole: isWhole }
    },
  ),
  streamRoute(
    {
      endpoint: 'POST /v1/workspaces/{id}/export',
      scope: 'workspace:write',
      summary: 'Gives a generation, or all that are retained, as one verified file.',
      query: ExportQuery,
    },
    async (call, wire) => {
      const wish = {
        workspace: nameOf(call).workspace,
        generation: call.query.generation,
        signal: call.signal,
      }
      await sendBytes(wire, await exportWorkspace(call.deps, call.caller, wish), TAR)
    },
  ),
  streamRoute(
    {
      endpoint: 'POST /v1/workspaces/import',
      scope: 'workspace:write',
      summary: 'Makes a stopped workspace of such a file.',
      query: ImportQuery,
      answer: Workspace,
      status: 201,
    },
    async (call, wire) => {
      const wish = { name: call.query.name, bundle: wire.incoming, signal: call.signal }
      const record = await importWorkspace(call.deps, call.caller, wish)
      sendJson(wire, 201, Workspace.parse(await shownWorkspace(call.deps, record)))
    },
  ),
]
