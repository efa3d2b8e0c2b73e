import { z } from 'zod'
import { Port } from './identifiers.ts'

/** A long-running command that is started again on resume, and after it ends as `restart` says. */
export const ServiceSpec = z.strictObject({
  name: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/),
  argv: z.array(z.string().max(131_072)).min(1).max(256),
  cwd: z.string().max(4096).default('/workspace'),
  environment: z.record(z.string().max(256), z.string().max(32_768)).default({}),
  port: Port.optional(),
  restart: z.enum(['always', 'on-failure', 'never']).default('always'),
  /** Healthy once a GET of this path on `port` answers below 500; absent: once the port accepts. */
  healthPath: z.string().startsWith('/').max(1024).optional(),
})
export type ServiceSpec = z.infer<typeof ServiceSpec>

export const ServiceState = z.strictObject({
  name: z.string(),
  status: z.enum(['starting', 'healthy', 'unhealthy', 'backing-off', 'ended']),
  exec: z.string().nullable(),
  restarts: z.int(),
  since: z.number(),
})
export type ServiceState = z.infer<typeof ServiceState>
