import { Failure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import type { ExposureAccess } from '@holdfast/protocol/control-calls'
import { exposureHost } from '@holdfast/protocol/exposure-host'
import type { WorkspaceRecord } from '../domain/workspace.ts'
import type { ExposureRecord } from '../ports/entities.ts'
import type { Changes } from '../ports/store.ts'
import type { Caller, Deps, ExposureSettings } from './context.ts'
import { findWorkspace, takeWorkspace } from './find-workspace.ts'
import { audited, happened } from './tell-event.ts'

export interface ServedPort extends ExposureRecord {
  readonly url: string
}

export interface PortName {
  readonly workspace: string
  readonly port: number
}

const PORTS_MAX = 64

/** Serves a port under a URL; again changes who may see it. */
export async function exposePort(
  deps: Deps,
  caller: Caller,
  wish: PortName & { readonly access: ExposureAccess },
): Promise<ServedPort> {
  const { id } = await findWorkspace(deps, caller, wish.workspace)
  settingsOf(deps)
  return await deps.store.write(async (changes) => {
    const record = await takeWorkspace(changes, id)
    return served(deps, await putExposure(deps, caller, { changes, record, ...wish }))
  })
}

async function putExposure(
  deps: Deps,
  caller: Caller,
  wish: {
    readonly changes: Changes
    readonly record: WorkspaceRecord
    readonly port: number
    readonly access: ExposureAccess
  },
): Promise<ExposureRecord> {
  const { changes, record, port, access } = wish
  const known = await changes.exposures.list(record.id)
  const before = known.find((exposure) => exposure.port === port)
  if (before === undefined && known.length >= PORTS_MAX)
    throw new Failure('invalid-argument', `a workspace serves at most ${PORTS_MAX} ports`, {
      argument: 'port',
    })
  const at = deps.clock.wallMs()
  const id = before?.id ?? newIdentifier('exposure', caller.randomness)
  const createdAt = before?.createdAt ?? at
  const exposure = { id, workspace: record.id, org: record.org, port, access, createdAt }
  await changes.exposures.put(exposure)
  changes.emit(audited(caller, { type: 'exposure_open', at, workspace: record, payload: { port, access } }))
  changes.emit(
    happened(record, { type: 'exposure_opened', at, actor: caller.actor, payload: { port, access } }),
  )
  return exposure
}

export async function listExposures(
  deps: Deps,
  caller: Caller,
  name: string,
): Promise<readonly ServedPort[]> {
  const { id } = await findWorkspace(deps, caller, name)
  return (await deps.store.read.exposures.list(id)).map((exposure) => served(deps, exposure))
}

/** The gateway forgets it within a second; links to it are dead for good. */
export async function revokeExposure(
  deps: Deps,
  caller: Caller,
  { workspace, port }: PortName,
): Promise<void> {
  const { id } = await findWorkspace(deps, caller, workspace)
  await deps.store.write(async (changes) => {
    const record = await takeWorkspace(changes, id)
    if (!(await changes.exposures.remove(id, port))) throw notServed(port)
    const at = deps.clock.wallMs()
    changes.emit(audited(caller, { type: 'exposure_close', at, workspace: record, payload: { port } }))
    changes.emit(happened(record, { type: 'exposure_closed', at, actor: caller.actor, payload: { port } }))
  })
}

/** A URL that opens one port for whoever has it, until it expires. */
export async function createLink(
  deps: Deps,
  caller: Caller,
  wish: PortName & { readonly expiresInMs: number },
): Promise<{ readonly url: string; readonly expiresAt: number }> {
  const record = await findWorkspace(deps, caller, wish.workspace)
  const { port, expiresInMs } = wish
  const exposure = await deps.store.read.exposures.find(record.id, port)
  if (exposure === undefined) throw notServed(port)
  const at = deps.clock.wallMs()
  const expiresAt = at + expiresInMs
  await deps.store.write(async (changes) => {
    const payload = { port, expires_at: expiresAt }
    changes.emit(audited(caller, { type: 'exposure_link', at, workspace: record, payload }))
  })
  const grant = { kind: 'port', workspace: record.id, port, exposure: exposure.id, expiresAt } as const
  const token = settingsOf(deps).links.mint(grant)
  return { url: `${served(deps, exposure).url}?${LINK_PARAMETER}=${token}`, expiresAt }
}

/** Under which name a gateway finds a link's token in an address. */
const LINK_PARAMETER = 'holdfast_token'

function served(deps: Deps, exposure: ExposureRecord): ServedPort {
  const { scheme, domain, port } = settingsOf(deps)
  const host = exposureHost({ port: exposure.port, workspace: exposure.workspace }, domain)
  return { ...exposure, url: `${scheme}://${host}${port === undefined ? '' : `:${port}`}/` }
}

function settingsOf(deps: Deps): ExposureSettings {
  const { exposures } = deps.settings
  if (exposures === null) throw new Failure('unsupported-here', 'this installation has no gateway')
  return exposures
}

function notServed(port: number): Failure {
  return new Failure('not-found', `port ${port} is not served`, { port })
}
