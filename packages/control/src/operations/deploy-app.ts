import type { ExposureAccess } from '@holdfast/protocol/control-calls'
import { ServiceSpec } from '@holdfast/protocol/service'
import { putService, type ShownService } from './change-services.ts'
import type { Caller, Deps } from './context.ts'
import { exposePort, type ServedPort } from './expose-port.ts'
import { findWorkspace, liveOrRefused } from './find-workspace.ts'
import { resume } from './resume-workspace.ts'
import { createCheckpoint } from './sync-workspace.ts'

const RESUME_MS_MAX = 60_000

export interface DeployWish {
  readonly workspace: string
  readonly service: string | readonly string[]
  readonly name: string
  readonly port: number
  readonly access: ExposureAccess
}

export interface Deployment {
  readonly service: ShownService
  readonly exposure: ServedPort
  readonly checkpoint: string
}

/** A service, a URL that wakes it, and a checkpoint of what was deployed. Each step may be taken again. */
export async function deployApp(deps: Deps, caller: Caller, wish: DeployWish): Promise<Deployment> {
  const { workspace, name, port, access } = wish
  const found = await findWorkspace(deps, caller, workspace)
  await liveOrRefused(
    deps,
    found.status === 'stopped' ? await resume(deps, caller, found.id) : found,
    RESUME_MS_MAX,
  )
  const argv = typeof wish.service === 'string' ? ['sh', '-c', wish.service] : [...wish.service]
  const service = await putService(deps, caller, { workspace, spec: ServiceSpec.parse({ name, argv, port }) })
  const exposure = await exposePort(deps, caller, { workspace, port, access })
  const message = `deploy ${name} on port ${port}`
  const { generation } = await createCheckpoint(deps, caller, {
    ...{ workspace, epoch: undefined, message },
  })
  return { service, exposure, checkpoint: generation.id }
}
