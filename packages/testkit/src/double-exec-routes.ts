import { existsSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { systemClock } from '@holdfast/base/clock'
import { TerminalSize } from '@holdfast/protocol/exec'
import { ExecId } from '@holdfast/protocol/identifiers'
import {
  CreateExec,
  Exec,
  ExecInput,
  ExecSignal,
  OutputQuery,
  StartedExec,
} from '@holdfast/protocol/rest/exec'
import { PageQuery, pageOf } from '@holdfast/protocol/rest/ground'
import { z } from 'zod'
import { beginEvents, type DoubleCall, type DoubleRoute, Refusal, route } from './api-double-wire.ts'
import { DoubleExec } from './double-exec.ts'
import type { DoubleState } from './double-state.ts'
import type { DoubleWorkspace } from './double-workspace.ts'

const EXECS = '/v1/workspaces/{id}/execs'
const Nothing = z.strictObject({})

/** Commands. */
export function execRoutes(double: DoubleState): readonly DoubleRoute[] {
  const execOf = ({ id = '', exec = '' }: Readonly<Record<string, string>>) => double.exec(id, exec)
  return [
    route(
      `POST ${EXECS}`,
      { body: CreateExec, answer: StartedExec },
      async (_call, { params, body, waitMs }) => {
        const workspace = double.workspace(params.id ?? '')
        const exec = startExec(workspace, body)
        await exec.ended(waitMs)
        const isWhole = !exec.isRunning
        return { exec: { ...exec.document }, output: [...exec.pieces], is_output_whole: isWhole }
      },
    ),
    route(`GET ${EXECS}`, { query: PageQuery, answer: pageOf(Exec) }, async (_call, { params }) => {
      const execs = [...double.workspace(params.id ?? '').execs.values()]
      return { items: execs.map(({ document }) => document).reverse(), next_cursor: null }
    }),
    route(`GET ${EXECS}/{exec}`, { answer: Exec }, async (_call, { params }) => execOf(params).document),
    route(`DELETE ${EXECS}/{exec}`, { answer: Nothing }, async (_call, { params }) => {
      execOf(params).signal('SIGKILL')
      return {}
    }),
    route(`GET ${EXECS}/{exec}/output`, { query: OutputQuery }, async (call, { params, query }) => {
      const lastId = Number(call.request.headers['last-event-id'] ?? 0)
      const after = Math.max(query.after, lastId)
      await streamOutput(call, execOf(params), { after, follow: query.follow === 'true' })
    }),
    route(
      `POST ${EXECS}/{exec}/stdin`,
      { body: ExecInput, answer: Nothing },
      async (_call, { params, body }) => {
        const exec = execOf(params)
        if (!exec.isRunning) throw new Refusal('invalid-state', 'it has ended')
        exec.write(Buffer.from(body.bytes, 'base64'))
        if (body.is_end) exec.endInput()
        return {}
      },
    ),
    route(
      `POST ${EXECS}/{exec}/signal`,
      { body: ExecSignal, answer: Nothing },
      async (_call, { params, body }) => {
        execOf(params).signal(body.signal)
        return {}
      },
    ),
    route(
      `POST ${EXECS}/{exec}/resize`,
      { body: TerminalSize, answer: Nothing },
      async (_call, { params, body }) => {
        execOf(params).sizes.push(body)
        return {}
      },
    ),
  ]
}

/** Starts a command, unless one of that id is there. */
export function startExec(workspace: DoubleWorkspace, asked: z.output<typeof CreateExec>): DoubleExec {
  const { document } = workspace
  const id = asked.id ?? ExecId.parse(`x${workspace.execs.size}`)
  const known = workspace.execs.get(id)
  if (known !== undefined) return known
  if (document.status === 'stopped' && asked.resume) {
    workspace.become('provisioning')
    workspace.become('idle')
  }
  if (document.status !== 'idle') throw new Refusal('invalid-state', `it is ${document.status}`)
  const argv = asked.argv ?? ['sh', '-c', asked.shell ?? '']
  const cwd = asked.cwd ?? '/workspace'
  refuseUnknownProgram(argv[0] ?? '')
  const exec = new DoubleExec(
    {
      id,
      workspace_id: document.id,
      argv,
      cwd,
      user: asked.user ?? 'user',
      status: 'running',
      reason: null,
      exit_code: null,
      signal: null,
      terminal: asked.terminal !== undefined,
      created_by_user_id: 'system',
      started_at: systemClock.wallMs(),
      ended_at: null,
      last_sequence: 0,
    },
    {
      directory: join(workspace.directory, isAbsolute(cwd) ? cwd.replace(/^\/workspace/, '') : cwd),
      environment: { ...workspace.environment, ...asked.environment },
      stdin: asked.stdin ?? false,
    },
    asked.timeout_ms,
  )
  if (asked.terminal !== undefined) exec.sizes.push(asked.terminal)
  workspace.execs.set(id, exec)
  return exec
}

function refuseUnknownProgram(program: string): void {
  const places = program.includes('/')
    ? ['']
    : (process.env.PATH ?? '').split(':').map((place) => `${place}/`)
  if (!places.some((place) => existsSync(place + program)))
    throw new Refusal('exec-failed', `${program}: no such program`, { errno: 'ENOENT' })
}

async function streamOutput(
  { request, response }: DoubleCall,
  exec: DoubleExec,
  asked: { readonly after: number; readonly follow: boolean },
): Promise<void> {
  const send = beginEvents(response)
  const gone = new AbortController()
  request.on('close', () => gone.abort())
  response.on('close', () => gone.abort())
  let { after } = asked
  while (!gone.signal.aborted) {
    for (const piece of exec.pieces.filter(({ sequence }) => sequence > after)) {
      if (response.socket?.writable !== true) break
      send({ name: 'chunk', id: piece.sequence, document: piece })
      after = piece.sequence
    }
    if (!exec.isRunning || !asked.follow) break
    await exec.changed(gone.signal)
  }
  if (!exec.isRunning) send({ name: 'end', document: Exec.parse(exec.document) })
  response.end()
}
