import { Failure } from '@holdfast/base/failure'
import { ExecRequest, TerminalSize } from '@holdfast/protocol/exec'
import { HOST_STREAMS } from '@holdfast/protocol/host-streams'
import {
  AttachQuery,
  CreateExec,
  Exec,
  ExecInput,
  ExecSignal,
  OutputQuery,
  StartedExec,
} from '@holdfast/protocol/rest/exec'
import { PageQuery, pageOf, WaitQuery } from '@holdfast/protocol/rest/ground'
import { z } from 'zod'
import { parseWaitMs } from '../../domain/duration.ts'
import {
  deleteExec,
  type ExecName,
  findExec,
  listExecs,
  resizeExec,
  showExec,
  signalExec,
  writeExecInput,
} from '../../operations/exec-commands.ts'
import { startExec } from '../../operations/start-exec.ts'
import { type Call, type Route, route, streamRoute, type UpgradeWire, upgradeRoute } from '../route.ts'
import { shownChunk, shownExec } from '../shapes/exec-shape.ts'
import { streamOutput } from '../stream-output.ts'

const ATTACH_PROTOCOL = 'holdfast'
const Nothing = z.strictObject({})

function names({ params }: Call<unknown, unknown>): ExecName {
  return { workspace: params.id ?? '', exec: params.exec ?? '' }
}

function requestOf(body: z.output<typeof CreateExec>): ExecRequest {
  const { argv, shell, cwd, environment, user, timeout_ms, stdin, terminal } = body
  return ExecRequest.parse({
    argv: argv ?? ['sh', '-c', shell ?? ''],
    ...(cwd === undefined ? {} : { cwd }),
    ...(environment === undefined ? {} : { environment }),
    ...(user === undefined ? {} : { user }),
    ...(timeout_ms === undefined ? {} : { timeoutMs: timeout_ms }),
    ...(stdin === undefined ? {} : { stdin }),
    ...(terminal === undefined ? {} : { terminal }),
  })
}

/** What begins a WebSocket, without the subprotocols, which are between the caller and this server. */
function websocketHeaders({ headers }: UpgradeWire['incoming']): Record<string, string> {
  return Object.fromEntries(
    ['sec-websocket-key', 'sec-websocket-version', 'sec-websocket-extensions'].flatMap((name) => {
      const value = headers[name]
      return typeof value === 'string' ? [[name, value]] : []
    }),
  )
}

export const EXEC_ROUTES: readonly Route[] = [
  route(
    {
      endpoint: 'GET /v1/workspaces/{id}/execs',
      scope: 'workspace:read',
      summary: 'Lists commands, newest first.',
      query: PageQuery,
      answer: pageOf(Exec),
    },
    async ({ deps, caller, params, query }) => {
      const { cursor, limit } = query
      const page = await listExecs(deps, caller, { workspace: params.id ?? '', cursor, limit })
      return { items: page.items.map(shownExec), next_cursor: page.next }
    },
  ),
  route(
    {
      endpoint: 'POST /v1/workspaces/{id}/execs',
      scope: 'exec:write',
      summary: 'Runs a command once; with `wait` answers after its end, with its output.',
      query: WaitQuery,
      body: CreateExec,
      answer: StartedExec,
      status: 201,
    },
    async ({ deps, caller, params, query, body }) => {
      const answer = await startExec(deps, caller, {
        workspace: params.id ?? '',
        id: body.id,
        request: requestOf(body),
        resume: body.resume,
        waitMs: parseWaitMs(query.wait),
        outputBytesMax: body.output_bytes_max,
      })
      const { exec, output, isOutputWhole } = answer
      return { exec: shownExec(exec), output: output.map(shownChunk), is_output_whole: isOutputWhole }
    },
  ),
  route(
    {
      endpoint: 'GET /v1/workspaces/{id}/execs/{exec}',
      scope: 'workspace:read',
      summary: 'Shows a command; with `wait` once it has ended.',
      query: WaitQuery,
      answer: Exec,
    },
    async (call) => {
      const name = { ...names(call), waitMs: parseWaitMs(call.query.wait) }
      return shownExec(await showExec(call.deps, call.caller, name))
    },
  ),
  route(
    {
      endpoint: 'DELETE /v1/workspaces/{id}/execs/{exec}',
      scope: 'exec:write',
      summary: 'Ends a command that runs; forgets one that has ended.',
    },
    async (call) => await deleteExec(call.deps, call.caller, names(call)),
  ),
  streamRoute(
    {
      endpoint: 'GET /v1/workspaces/{id}/execs/{exec}/output',
      scope: 'workspace:read',
      summary: 'Streams the output as server-sent events: chunk, gap, end.',
      query: OutputQuery,
    },
    (call, wire) => streamOutput(call, wire, names(call)),
  ),
  upgradeRoute(
    {
      endpoint: 'GET /v1/workspaces/{id}/execs/{exec}/attach',
      scope: 'exec:write',
      summary: 'Attaches a terminal by WebSocket.',
      query: AttachQuery,
    },
    async (call, { incoming, socket, head }) => {
      const exec = await findExec(call.deps, call.caller, names(call))
      const host = await call.deps.store.read.hosts.byId(exec.host)
      if (host === undefined)
        throw new Failure('host-unreachable', 'the host that ran it is not known any more')
      const offered = incoming.headers['sec-websocket-protocol']?.split(',').map((name) => name.trim())
      await call.deps.links.tunnel({
        ...{ address: host.address, path: HOST_STREAMS.execAttach, socket, head },
        query: { workspace: exec.workspace, exec: exec.state.id, after: call.query.after },
        headers: websocketHeaders(incoming),
        protocol: offered?.includes(ATTACH_PROTOCOL) ? ATTACH_PROTOCOL : null,
      })
    },
  ),
  route(
    {
      endpoint: 'POST /v1/workspaces/{id}/execs/{exec}/stdin',
      scope: 'exec:write',
      summary: 'Writes to the standard input, base64.',
      body: ExecInput,
      answer: Nothing,
    },
    async (call) => {
      const { bytes, is_end } = call.body
      await writeExecInput(call.deps, call.caller, { ...names(call), bytes, isEnd: is_end })
      return {}
    },
  ),
  route(
    {
      endpoint: 'POST /v1/workspaces/{id}/execs/{exec}/signal',
      scope: 'exec:write',
      summary: 'Sends a signal to the process group.',
      body: ExecSignal,
      answer: Nothing,
    },
    async (call) => {
      await signalExec(call.deps, call.caller, { ...names(call), signal: call.body.signal })
      return {}
    },
  ),
  route(
    {
      endpoint: 'POST /v1/workspaces/{id}/execs/{exec}/resize',
      scope: 'exec:write',
      summary: 'Tells a terminal its size.',
      body: TerminalSize,
      answer: Nothing,
    },
    async (call) => {
      await resizeExec(call.deps, call.caller, { ...names(call), size: call.body })
      return {}
    },
  ),
]
