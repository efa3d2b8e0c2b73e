import { Failure, isFailure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import type { ExecRequest, ExecState, OutputChunk } from '@holdfast/protocol/exec'
import { ExecId, type HostId } from '@holdfast/protocol/identifiers'
import { type ExecRecord, hasEnded, isSameRequest } from '../domain/exec.ts'
import { isLive, requireAction } from '../domain/transitions.ts'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { Caller, Deps } from './context.ts'
import { findWorkspace, liveOrRefused } from './find-workspace.ts'
import { saveExecState } from './report-execs.ts'
import { resume } from './resume-workspace.ts'
import { audited, happened } from './tell-event.ts'

/** A command waits so long for the workspace that it resumes. */
const RESUME_MS_MAX = 60_000
const ANSWER_MS_MAX = 30_000

export interface ExecWish {
  readonly workspace: string
  readonly id: string | undefined
  readonly request: ExecRequest
  readonly resume: boolean
  readonly waitMs: number
  readonly outputBytesMax: number
}

export interface ExecAnswer {
  readonly exec: ExecRecord
  readonly output: readonly OutputChunk[]
  readonly isOutputWhole: boolean
}

/** Runs a command once: its row and its audit row are durable before the host hears of it. */
export async function startExec(deps: Deps, caller: Caller, wish: ExecWish): Promise<ExecAnswer> {
  const found = await findWorkspace(deps, caller, wish.workspace)
  const id = ExecId.parse(wish.id ?? newIdentifier('ex', caller.randomness))
  const known = await deps.store.read.execs.find(found.id, id)
  if (known) return await again(deps, known, wish)
  const record = await ready(deps, caller, { record: found, wish })
  const exec = await inserted(deps, caller, { record, id, request: wish.request })
  return await started(deps, exec, wish)
}

async function ready(
  deps: Deps,
  caller: Caller,
  { record, wish }: { readonly record: WorkspaceRecord; readonly wish: ExecWish },
): Promise<WorkspaceRecord> {
  if (isLive(record.status)) return record
  if (record.status === 'stopped' && wish.resume && record.archivedAt === null)
    return await liveOrRefused(deps, await resume(deps, caller, record.id), RESUME_MS_MAX)
  if (record.status === 'provisioning') return await liveOrRefused(deps, record, RESUME_MS_MAX)
  if (record.status === 'stopped' && !wish.resume)
    throw new Failure('invalid-state', 'the workspace is stopped, and was not to be resumed', {
      status: 'stopped',
    })
  requireAction(record, 'exec')
  return record
}

function inserted(
  deps: Deps,
  caller: Caller,
  {
    record,
    id,
    request,
  }: { readonly record: WorkspaceRecord; readonly id: ExecId; readonly request: ExecRequest },
): Promise<ExecRecord> {
  return deps.store.write(async (changes) => {
    const existing = await changes.execs.find(record.id, id)
    if (existing) return existing
    const current = await changes.workspaces.take(record.id)
    const host: HostId | null = current?.host ?? null
    if (current === undefined || host === null || !isLive(current.status))
      throw new Failure('invalid-state', `the workspace is ${current?.status ?? 'gone'}`, {
        status: current?.status ?? null,
      })
    const at = deps.clock.wallMs()
    const exec: ExecRecord = {
      ...{
        workspace: record.id,
        org: record.org,
        host,
        epoch: current.epoch,
        createdBy: caller.user,
        request,
      },
      state: { ...NEW_STATE, id, startedAt: at },
    }
    await changes.execs.insert(exec)
    const { argv, cwd, user } = request
    const payload = { exec: id, argv: shownWords(argv), cwd, user }
    changes.emit(audited(caller, { type: 'exec', at, workspace: record, payload }))
    changes.emit(happened(record, { type: 'exec_start', at, actor: caller.actor, payload }))
    return exec
  })
}

const NEW_STATE: Omit<ExecState, 'id' | 'startedAt'> = {
  status: 'running',
  reason: null,
  exitCode: null,
  signal: null,
  endedAt: null,
  lastSequence: 0,
}

async function started(deps: Deps, exec: ExecRecord, wish: ExecWish): Promise<ExecAnswer> {
  const { waitMs, outputBytesMax } = wish
  try {
    const link = await linkOfExec(deps, exec)
    const answer = await link.call(
      'startExec',
      {
        ...{ workspace: exec.workspace, epoch: exec.epoch, exec: exec.state.id, request: exec.request },
        ...{ waitMs, outputBytesMax },
      },
      { timeoutMs: waitMs + ANSWER_MS_MAX },
    )
    const saved = hasEnded(answer.exec)
      ? await saveExecState(deps, exec, answer.exec)
      : { ...exec, state: answer.exec }
    return { exec: saved, output: answer.output, isOutputWhole: answer.isOutputWhole }
  } catch (error) {
    // Nothing ran and nothing will: the id is free again.
    if (isFailure(error) && error.kind === 'refused') await forget(deps, exec, error)
    throw error
  }
}

/** A command that is known is told about, and brought to its host again if the first time may not have arrived. */
async function again(deps: Deps, known: ExecRecord, wish: ExecWish): Promise<ExecAnswer> {
  if (!isSameRequest(known.request, wish.request))
    throw new Failure('already-exists', `another command has the id ${known.state.id}`, {
      exec: known.state.id,
    })
  const workspace = await deps.store.read.workspaces.byId(known.workspace)
  const isCurrent = workspace !== undefined && isLive(workspace.status) && workspace.epoch === known.epoch
  if (isCurrent) return await started(deps, known, wish)
  return { exec: known, output: [], isOutputWhole: false }
}

function forget(deps: Deps, exec: ExecRecord, failure: Failure): Promise<void> {
  return deps.store.write(async (changes) => {
    await changes.execs.remove(exec.workspace, exec.state.id)
    changes.emit(
      happened(
        { id: exec.workspace, org: exec.org },
        {
          type: 'exec_end',
          at: deps.clock.wallMs(),
          payload: { exec: exec.state.id, status: 'refused', reason: failure.code },
        },
      ),
    )
  })
}

export async function linkOfExec(deps: Deps, exec: ExecRecord) {
  const host = await deps.store.read.hosts.byId(exec.host)
  if (host === undefined) throw new Failure('host-unreachable', 'the host that ran it is not known any more')
  return deps.links.to(host.address)
}

const SHOWN_CHARACTERS_MAX = 4096

/** The words of a command as events show them: a row is not the place for a script of a megabyte. */
function shownWords(argv: readonly string[]): readonly string[] {
  let left = SHOWN_CHARACTERS_MAX
  return argv.flatMap((word) => {
    if (left <= 0) return []
    const shown = word.length > left ? `${word.slice(0, left)}…` : word
    left -= word.length
    return [shown]
  })
}
