import { Failure } from '@holdfast/base/failure'
import { Isolation, RuntimeKind } from '@holdfast/protocol/sandbox-spec'
import { z } from 'zod'

const Address = z.string().min(1).max(1024)
/** Of a role of which several may run: any of them is asked. */
const Addresses = z.union([Address, z.array(Address).min(1).max(16)])
const Path = z.string().startsWith('/').max(4096)
/** `host:port`; port 0 takes a free one. */
const Listen = z.string().regex(/^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/, 'host:port')

/** Of every role. Secrets are in files: settings may be printed. */
const Common = {
  /** Where other roles reach this one: `unix:/path` or `http://host:port`. */
  listen: Address,
  /** Holds the key that all roles of an installation share. */
  clusterKeyFile: Path,
}

const LeaseSettings = z.strictObject({
  role: z.literal('lease'),
  ...Common,
  /** `sqlite:/path` or `postgres://…`. */
  database: z.string().min(1).max(4096),
})

const ControlSettings = z.strictObject({
  role: z.literal('control'),
  ...Common,
  database: z.string().min(1).max(4096),
  lease: Addresses,
  /** Where the public API listens. */
  api: Listen,
  /** Names in `Host` that are answered, beside the address it listens on. */
  apiHosts: z.array(z.string().max(255)).max(64),
  /** What served apps' URLs begin with. */
  appsUrl: z.url().max(1024),
  linkKeyFile: Path,
  /** Where the first start writes the key of the first user. */
  adminKeyFile: Path,
  /** Of workspaces that do not say how much they want. `none` opts in to code without isolation. */
  isolationMin: Isolation.optional(),
  /** A host that says nothing for so long counts as lost, once its leases have run out too. */
  hostSilenceMs: z.int().min(2000).max(600_000).optional(),
  /** Activity and ended commands are kept for so many days, 30 if it is not said; the audit is kept for ever. */
  retention: z.strictObject({ eventsDays: z.int().min(1).max(36_500) }).optional(),
})

const HostSettings = z.strictObject({
  role: z.literal('host'),
  ...Common,
  /** Everything that this host keeps. */
  state: Path,
  name: z.string().min(1).max(128),
  control: Addresses,
  lease: Addresses,
  /** A folder or `s3://…`, the same for every host. */
  store: z.string().min(1).max(4096),
  /** Seals what is stored; null: it is stored as it is. */
  storeKeyFile: Path.nullable(),
  /** The runtimes that may be used, the best first. */
  runtimes: z.array(RuntimeKind).min(1).max(4),
  volume: z.enum(['auto', 'btrfs', 'live']),
  leaseTtlMs: z.int().min(1000).max(600_000),
  /** Sandboxes that wait, started, for workspaces to come: so many of each kind, for the kinds asked for last. */
  warm: z
    .strictObject({ perKey: z.int().min(0).max(256), keysMax: z.int().min(1).max(256) })
    .default({ perKey: 2, keysMax: 4 }),
  /** Registries of images that may be at addresses which are not public; every other one may not. */
  registries: z
    .array(z.string().regex(/^(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:\d{1,5})?$/, 'host or host:port'))
    .max(64)
    .default([]),
  /** How long a termination notice leaves for last commits. */
  graceMs: z.int().min(0).max(3_600_000),
})

const GatewaySettings = z.strictObject({
  role: z.literal('gateway'),
  ...Common,
  control: Addresses,
  /** Where browsers reach served apps. */
  apps: Listen,
  appsUrl: z.url().max(1024),
  linkKeyFile: Path,
})

export const RoleSettings = z.discriminatedUnion('role', [
  LeaseSettings,
  ControlSettings,
  HostSettings,
  GatewaySettings,
])
export type RoleSettings = z.infer<typeof RoleSettings>
export type Role = RoleSettings['role']
export type SettingsOf<R extends Role> = Extract<RoleSettings, { role: R }>

/** Rejects with `invalid-argument`, naming each setting that is wrong. */
export function parseSettings(value: unknown): RoleSettings {
  const parsed = RoleSettings.safeParse(value)
  if (parsed.success) return Object.freeze(parsed.data)
  throw new Failure('invalid-argument', z.prettifyError(parsed.error).replaceAll('\n', ' '))
}
