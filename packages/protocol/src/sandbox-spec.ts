import { z } from 'zod'
import { CONSISTENCIES } from './generation.ts'

/** What keeps the guest from the host, from weak to strong. */
export const Isolation = z.enum(['none', 'shared-kernel', 'sandboxed-kernel', 'vm'])
export type Isolation = z.infer<typeof Isolation>

export const RuntimeKind = z.enum(['runc', 'runsc', 'bwrap', 'none'])
export type RuntimeKind = z.infer<typeof RuntimeKind>

/** Of a manifest in a registry. */
export const Digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)
/** `host/name:tag` or `host/name@sha256:…` of a registry. */
const RegistryReference = z.string().min(3).max(1024)

/** The root filesystem of a sandbox; `SystemWrites` says whether it can be written. */
export const SystemSpec = z.discriminatedUnion('kind', [
  /** The host's `/usr`, read-only, and a generated `/etc`: nothing to download. */
  z.strictObject({ kind: z.literal('machine') }),
  z.strictObject({ kind: z.literal('directory'), path: z.string().startsWith('/').max(4096) }),
  /** Pinned where a digest is given. */
  z.strictObject({
    kind: z.literal('image'),
    reference: RegistryReference,
    digest: Digest.optional(),
  }),
])
export type SystemSpec = z.infer<typeof SystemSpec>

/**
 * What becomes of writes to the system, which itself never changes: there are none; they are gone with the sandbox; they
 * are part of the generations, beside the workspace's own files. The system's files belong to root where there is one
 * (`allowRoot`), else to the guest's user.
 */
export const SystemWrites = z.enum(['refused', 'discarded', 'kept'])
export type SystemWrites = z.infer<typeof SystemWrites>

/** The name of its directory below `/workspace/packs`. */
const PackName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/)

/** Read-only content beside the workspace's own files; never part of a generation. Pinned where a digest is given. */
export const PackSpec = z.strictObject({
  name: PackName,
  source: RegistryReference,
  digest: Digest.optional(),
})
export type PackSpec = z.infer<typeof PackSpec>

const PACKS_MAX = 32

/** Each name once. */
export const PackList = z
  .array(PackSpec)
  .max(PACKS_MAX)
  .refine((packs) => new Set(packs.map(({ name }) => name)).size === packs.length, {
    error: 'two packs have the same name',
  })

/** What of a sandbox comes from registries. */
export const SandboxContent = z.strictObject({ system: SystemSpec, packs: PackList })
export type SandboxContent = z.infer<typeof SandboxContent>

const MIB = 1024 * 1024

export const SandboxLimits = z.strictObject({
  memoryBytes: z
    .int()
    .min(16 * MIB)
    .max(1024 ** 4),
  cpus: z.number().min(0.05).max(1024),
  pids: z.int().min(8).max(65_536),
  diskBytes: z
    .int()
    .min(MIB)
    .max(1024 ** 5),
  tmpBytes: z
    .int()
    .min(MIB)
    .max(1024 ** 4),
  openFiles: z.int().min(64).max(1_048_576),
})
export type SandboxLimits = z.infer<typeof SandboxLimits>

export const LIMITS_DEFAULT: SandboxLimits = {
  memoryBytes: 2048 * MIB,
  cpus: 2,
  pids: 512,
  diskBytes: 10_240 * MIB,
  tmpBytes: 512 * MIB,
  openFiles: 4096,
}

/** `relaxed`: fsync succeeds at once, since `sync()` is what makes durable; `native`: the filesystem's own. */
export const FsyncPolicy = z.enum(['relaxed', 'native'])
export type FsyncPolicy = z.infer<typeof FsyncPolicy>

/** What a workspace asks of whoever runs it. */
export const SandboxSpec = z.strictObject({
  system: SystemSpec,
  /** Placement fails rather than gives less. */
  isolationMin: Isolation,
  /** Absent: the host's own choice. */
  runtime: RuntimeKind.optional(),
  limits: SandboxLimits,
  fsync: FsyncPolicy,
  /** uid 0 inside the user namespace, with few capabilities. */
  allowRoot: z.boolean(),
  /** ptrace inside the sandbox. */
  allowDebug: z.boolean(),
  environment: z.record(z.string().max(256), z.string().max(32_768)),
  packs: PackList.default([]),
  systemWrites: SystemWrites.default('refused'),
})
export type SandboxSpec = z.infer<typeof SandboxSpec>

export const SANDBOX_SPEC_DEFAULT: SandboxSpec = {
  system: { kind: 'machine' },
  isolationMin: 'shared-kernel',
  limits: LIMITS_DEFAULT,
  fsync: 'relaxed',
  allowRoot: false,
  allowDebug: false,
  environment: {},
  packs: [],
  systemWrites: 'refused',
}

/** What a running sandbox turned out to be: probed, not asked for. */
export const SandboxFacts = z.strictObject({
  runtime: RuntimeKind,
  isolation: Isolation,
  volume: z.enum(['btrfs', 'live']),
  consistency: z.enum(CONSISTENCIES),
  fsync: FsyncPolicy,
  /** `none`: the volume cannot bound what the workspace holds, so `limits.diskBytes` is a wish. */
  diskLimit: z.enum(['enforced', 'none']).default('none'),
  /** How the sandbox came to be. */
  start: z.enum(['warm', 'cold']),
  /** What is mounted. */
  packs: z.array(z.strictObject({ name: PackName, digest: Digest })).default([]),
})
export type SandboxFacts = z.infer<typeof SandboxFacts>
