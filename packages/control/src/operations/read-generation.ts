import type { BROWSE_CALLS } from '@holdfast/protocol/browse-calls'
import type { GenerationSummary } from '@holdfast/protocol/host-calls'
import { HOST_STREAMS } from '@holdfast/protocol/host-streams'
import type { RpcResponse } from '@holdfast/protocol/rpc-table'
import type { HostLink } from '../ports/host-links.ts'
import type { Caller, Deps } from './context.ts'
import { findGeneration } from './find-generation.ts'
import { findWorkspace } from './find-workspace.ts'
import { askReaders } from './reader-hosts.ts'

type Calls = typeof BROWSE_CALLS

const READ_MS_MAX = 2 * 60_000
/** A database is written to disk and proven before its first byte is sent. */
const FIRST_BYTE_MS_MAX = 10 * 60_000
const DIFFERENCES_MAX = 10_000
const GUEST_ROOT = '/workspace'

export interface GenerationName {
  readonly workspace: string
  /** Its id, the beginning of one, its number, or `head`. */
  readonly generation: string
}

/** A generation that was found for a caller who may read it, in whatever status its workspace is. */
export interface FoundGeneration {
  readonly of: { readonly workspace: GenerationNameId; readonly org: Caller['org'] }
  readonly generation: GenerationSummary
  readonly ask: <Answer>(ask: (link: HostLink) => Promise<Answer>) => Promise<Answer>
}

type GenerationNameId = Awaited<ReturnType<typeof findWorkspace>>['id']

/** Rejects with `not-found`. */
export async function reachGeneration(
  deps: Deps,
  caller: Caller,
  { workspace, generation }: GenerationName,
): Promise<FoundGeneration> {
  const record = await findWorkspace(deps, caller, workspace)
  return {
    of: { workspace: record.id, org: record.org },
    generation: await findGeneration(deps, record, generation),
    ask: (ask) => askReaders(deps, record, ask),
  }
}

/** A path as people write it: absolute ones are those of the sandbox. */
function innerPath(path: string): string {
  if (path !== GUEST_ROOT && !path.startsWith(`${GUEST_ROOT}/`)) return path
  return path.slice(GUEST_ROOT.length + 1) || '.'
}

export async function listGenerationFiles(
  { of, generation, ask }: FoundGeneration,
  page: { readonly path: string; readonly limit: number; readonly after: string | undefined },
): Promise<RpcResponse<Calls, 'listGenerationFiles'>> {
  const { path, limit, after } = page
  const request = { ...of, generation: generation.id, path: innerPath(path), limit }
  const call = { ...request, ...(after === undefined ? {} : { after }) }
  return await ask((link) => link.call('listGenerationFiles', call, { timeoutMs: READ_MS_MAX }))
}

/** The bytes of a file; `range` as HTTP has it. */
export async function openGenerationFile(
  { of, generation, ask }: FoundGeneration,
  wish: { readonly path: string; readonly range: string | undefined; readonly signal: AbortSignal },
) {
  const { path, range, signal } = wish
  return await ask((link) =>
    link.stream({
      method: 'GET',
      path: HOST_STREAMS.generationFile,
      query: { ...of, generation: generation.id, path: innerPath(path) },
      ...(range === undefined ? {} : { headers: { range } }),
      signal,
      headersTimeoutMs: FIRST_BYTE_MS_MAX,
    }),
  )
}

/** What changed since `from`, or since the parent where none is named. */
export async function diffGenerations(
  deps: Deps,
  caller: Caller,
  name: GenerationName & { readonly from: string | undefined },
): Promise<RpcResponse<Calls, 'diffGenerations'>> {
  const { of, generation, ask } = await reachGeneration(deps, caller, name)
  const earlier = { workspace: name.workspace, generation: name.from ?? '' }
  const from = name.from === undefined ? null : (await reachGeneration(deps, caller, earlier)).generation.id
  const call = { ...of, from, to: generation.id, limit: DIFFERENCES_MAX }
  return await ask((link) => link.call('diffGenerations', call, { timeoutMs: READ_MS_MAX }))
}

export async function queryGeneration(
  deps: Deps,
  caller: Caller,
  query: GenerationName & { readonly path: string; readonly sql: string | undefined },
): Promise<RpcResponse<Calls, 'queryGeneration'>> {
  const { of, generation, ask } = await reachGeneration(deps, caller, query)
  const { path, sql = null } = query
  const call = { ...of, generation: generation.id, path: innerPath(path), sql }
  return await ask((link) => link.call('queryGeneration', call, { timeoutMs: READ_MS_MAX }))
}
