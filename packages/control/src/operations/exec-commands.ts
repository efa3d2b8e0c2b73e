import { Failure, isFailure } from '@holdfast/base/failure'
import type { TerminalSize } from '@holdfast/protocol/exec'
import { type Page, pageFrom, parseCursor } from '../domain/cursor.ts'
import { type ExecRecord, hasEnded } from '../domain/exec.ts'
import type { Caller, Deps } from './context.ts'
import { findWorkspace } from './find-workspace.ts'
import { saveExecState } from './report-execs.ts'
import { linkOfExec } from './start-exec.ts'
import { audited } from './tell-event.ts'

export interface ExecName {
  readonly workspace: string
  readonly exec: string
}

const GRACE_MS = 5_000

/** A command of a workspace; one of another workspace is as unknown as one that never was. */
export async function findExec(
  deps: Deps,
  caller: Caller,
  { workspace, exec }: ExecName,
): Promise<ExecRecord> {
  const { id } = await findWorkspace(deps, caller, workspace)
  const found = await deps.store.read.execs.find(id, exec)
  if (found === undefined) throw new Failure('not-found', 'the workspace has no such command')
  return found
}

/** The command as it is now, or as it is after `waitMs`. */
export async function showExec(
  deps: Deps,
  caller: Caller,
  name: ExecName & { readonly waitMs: number },
): Promise<ExecRecord> {
  const exec = await findExec(deps, caller, name)
  if (hasEnded(exec.state)) return exec
  try {
    const link = await linkOfExec(deps, exec)
    const { waitMs } = name
    const call = { workspace: exec.workspace, exec: exec.state.id, waitMs }
    const state = await link.call('execState', call, { timeoutMs: waitMs + 10_000 })
    return hasEnded(state) ? await saveExecState(deps, exec, state) : { ...exec, state }
  } catch (error) {
    // Its end is told by its host, or by the end of the run: until then it is what it was.
    if (isFailure(error)) return (await deps.store.read.execs.find(exec.workspace, exec.state.id)) ?? exec
    throw error
  }
}

/** Newest first. */
export async function listExecs(
  deps: Deps,
  caller: Caller,
  listing: { readonly workspace: string; readonly cursor: string | undefined; readonly limit: number },
): Promise<Page<ExecRecord>> {
  const { id } = await findWorkspace(deps, caller, listing.workspace)
  const { cursor, limit } = listing
  const after = cursor === undefined ? {} : { after: parseCursor(cursor) }
  const found = await deps.store.read.execs.list({ workspace: id, ...after, limit: limit + 1 })
  return pageFrom(found, limit, ({ state }) => ({ at: Math.floor(state.startedAt), id: state.id }))
}

export async function signalExec(
  deps: Deps,
  caller: Caller,
  wish: ExecName & { readonly signal: string },
): Promise<void> {
  const exec = await running(deps, caller, wish)
  const { signal } = wish
  await noted(deps, caller, { exec, type: 'exec_signal', payload: { signal } })
  await (await linkOfExec(deps, exec)).call('signalExec', { ...ofExec(exec), signal })
}

export async function resizeExec(
  deps: Deps,
  caller: Caller,
  wish: ExecName & { readonly size: TerminalSize },
): Promise<void> {
  const exec = await running(deps, caller, wish)
  await (await linkOfExec(deps, exec)).call('resizeExec', { ...ofExec(exec), size: wish.size })
}

export async function writeExecInput(
  deps: Deps,
  caller: Caller,
  wish: ExecName & { readonly bytes: string; readonly isEnd: boolean },
): Promise<void> {
  const exec = await running(deps, caller, wish)
  const { bytes, isEnd } = wish
  await (await linkOfExec(deps, exec)).call('execInput', { ...ofExec(exec), bytes, isEnd })
}

/** Ends a command that runs, TERM first and KILL after a grace; forgets one that has ended, with its output. */
export async function deleteExec(deps: Deps, caller: Caller, name: ExecName): Promise<void> {
  const exec = await findExec(deps, caller, name)
  await noted(deps, caller, { exec, type: 'exec_delete', payload: {} })
  const isOver = hasEnded(exec.state)
  try {
    const state = await (await linkOfExec(deps, exec)).call('deleteExec', {
      ...ofExec(exec),
      graceMs: GRACE_MS,
    })
    if (!isOver) await saveExecState(deps, exec, state)
  } catch (error) {
    if (!isOver || !isFailure(error)) throw error
  }
  if (isOver) await deps.store.write((changes) => changes.execs.remove(exec.workspace, exec.state.id))
}

async function running(deps: Deps, caller: Caller, name: ExecName): Promise<ExecRecord> {
  const exec = await findExec(deps, caller, name)
  if (hasEnded(exec.state))
    throw new Failure('invalid-state', `the command has ended: ${exec.state.status}`, {
      status: exec.state.status,
    })
  return exec
}

function ofExec({ workspace, state }: ExecRecord) {
  return { workspace, exec: state.id }
}

async function noted(
  deps: Deps,
  caller: Caller,
  {
    exec,
    type,
    payload,
  }: { readonly exec: ExecRecord; readonly type: string; readonly payload: Record<string, unknown> },
): Promise<void> {
  await deps.store.write(async (changes) => {
    const event = audited(caller, {
      type,
      at: deps.clock.wallMs(),
      payload: { exec: exec.state.id, ...payload },
    })
    changes.emit({ ...event, workspace: exec.workspace })
  })
}
