import { z } from 'zod'
import { ExposureAccess } from '../control-calls.ts'
import { Port, WorkspaceId } from '../identifiers.ts'
import { ServiceSpec } from '../service.ts'
import { Instant } from './ground.ts'

export const Exposure = z.strictObject({
  workspace_id: WorkspaceId,
  port: Port,
  access: ExposureAccess,
  url: z.string(),
  created_at: Instant,
})
export const CreateExposure = z.strictObject({ port: Port, access: ExposureAccess.default('private') })
export const CreateLink = z.strictObject({
  expires_in_ms: z
    .int()
    .min(1000)
    .max(30 * 24 * 3600 * 1000)
    .default(3_600_000),
})
export const Link = z.strictObject({ url: z.string(), expires_at: Instant })

const { healthPath, ...served } = ServiceSpec.shape
export const CreateService = z.strictObject({ ...served, health_path: healthPath })
export const Service = z.strictObject({
  ...CreateService.shape,
  status: z.enum(['starting', 'healthy', 'unhealthy', 'backing-off', 'ended', 'stopped']),
  exec_id: z.string().nullable(),
  restarts: z.int(),
})
/** A service, a checkpoint, a public URL, and waking on request, in one call. */
export const Deploy = z.strictObject({
  service: z.union([z.string().min(1).max(65_536), z.array(z.string()).min(1).max(256)]),
  name: ServiceSpec.shape.name.default('app'),
  port: Port,
  access: ExposureAccess.default('public'),
})
export const Deployed = z.strictObject({ service: Service, exposure: Exposure, checkpoint: z.string() })
