import { Failure, isFailure } from '@holdfast/base/failure'
import type { HostId } from '@holdfast/protocol/identifiers'
import { decidePlacement } from '../domain/decide-placement.ts'
import type { HostRecord } from '../domain/host.ts'
import { requireAction } from '../domain/transitions.ts'
import { type WorkspaceRecord, withFacts } from '../domain/workspace.ts'
import type { Caller, Deps } from './context.ts'
import { findWorkspace, hostOf } from './find-workspace.ts'
import { loseExecs } from './report-execs.ts'
import { audited, happened } from './tell-event.ts'

const HANDOFF_MS_MAX = 15 * 60_000

export interface HandoffAnswer {
  readonly record: WorkspaceRecord
  readonly pauseMs: number
  readonly preCopyMs: number
}

/** Moves a running workspace to another host. The source drives it; until its lease has moved, everything stays as it is. */
export async function handOffWorkspace(
  deps: Deps,
  caller: Pick<Caller, 'org' | 'actor'>,
  wish: { readonly workspace: string; readonly host: HostId | null; readonly drainMs: number },
): Promise<HandoffAnswer> {
  const record = await findWorkspace(deps, caller, wish.workspace)
  requireAction(record, 'handoff')
  const source = await hostOf(deps, record)
  const target = await targetOf(deps, record, wish.host)
  const payload = { from: source.id, to: target.id, epoch: record.epoch }
  await deps.store.write(async (changes) => {
    const at = deps.clock.wallMs()
    changes.emit(audited(caller, { type: 'workspace_handoff', at, workspace: record, payload }))
    changes.emit(happened(record, { type: 'handoff_start', at, actor: caller.actor, payload }))
  })
  try {
    const answer = await deps.links
      .to(source.address)
      .call(
        'handOff',
        { workspace: record.id, target: { host: target.id, address: target.address }, drainMs: wish.drainMs },
        { timeoutMs: wish.drainMs + HANDOFF_MS_MAX },
      )
    return { ...answer, record: await arrived(deps, record, { target, ...answer }) }
  } catch (error) {
    await deps.store.write(async (changes) => {
      const reason = isFailure(error) ? error.code : 'internal'
      changes.emit(
        happened(record, {
          type: 'handoff_end',
          at: deps.clock.wallMs(),
          payload: { ...payload, outcome: 'failed', reason },
        }),
      )
    })
    throw error
  }
}

async function targetOf(deps: Deps, record: WorkspaceRecord, wanted: HostId | null): Promise<HostRecord> {
  const { hosts, workspaces } = deps.store.read
  const others = (await hosts.list()).filter(
    ({ id }) => id !== record.host && (wanted === null || id === wanted),
  )
  if (wanted !== null && others.length === 0)
    throw new Failure('invalid-argument', 'that host is not known, or runs the workspace already', {
      argument: 'host_id',
    })
  const placement = decidePlacement({
    spec: record.spec,
    hosts: others,
    load: await workspaces.load(),
    seedHost: null,
    avoid: [],
  })
  if (placement.kind !== 'place') throw new Failure('no-host', placement.message)
  return placement.host
}

function arrived(
  deps: Deps,
  seen: WorkspaceRecord,
  {
    target,
    facts,
    pauseMs,
  }: {
    readonly target: HostRecord
    readonly facts: Parameters<typeof withFacts>[1]
    readonly pauseMs: number
  },
): Promise<WorkspaceRecord> {
  return deps.store.write(async (changes) => {
    const at = deps.clock.wallMs()
    const record = (await changes.workspaces.take(seen.id)) ?? seen
    await loseExecs(changes, record, { reason: 'handoff', at, belowEpoch: facts.epoch })
    await changes.facts.put({ host: target.id, at, facts })
    const next = { ...withFacts(record, facts), host: target.id, seedHost: target.id, updatedAt: at }
    await changes.workspaces.save(next)
    changes.emit(
      happened(record, {
        type: 'handoff_end',
        at,
        payload: { to: target.id, epoch: facts.epoch, pause_ms: pauseMs, outcome: 'moved' },
      }),
    )
    return next
  })
}
