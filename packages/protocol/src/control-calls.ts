import { z } from 'zod'
import { ExecState } from './exec.ts'
import { WorkspaceFacts } from './host-calls.ts'
import { Epoch, HostId, Port, WorkspaceId } from './identifiers.ts'
import type { RpcTable } from './rpc-table.ts'
import { Isolation, RuntimeKind } from './sandbox-spec.ts'

export const HostCapacity = z.strictObject({
  cpus: z.number(),
  memoryBytes: z.int(),
  diskFreeBytes: z.int(),
  workspacesMax: z.int(),
})

/** What a host or a guest says happened. `id` is unique, so that a report sent twice counts once. */
export const ReportedEvent = z.strictObject({
  id: z.string().max(64),
  workspace: WorkspaceId.nullable(),
  source: z.enum(['host', 'guest', 'egress']),
  type: z.string().regex(/^[a-z_]{1,48}$/),
  at: z.number(),
  payload: z.record(z.string(), z.unknown()),
})
export type ReportedEvent = z.infer<typeof ReportedEvent>

/** Who may see what is served at a port. */
export const ExposureAccess = z.enum(['private', 'org', 'public'])
export type ExposureAccess = z.infer<typeof ExposureAccess>

/** What control answers to hosts and gateways. */
export const CONTROL_CALLS = {
  /** At the start of a host agent; everything it ran before is over. */
  registerHost: {
    request: z.strictObject({
      host: HostId,
      name: z.string().max(128),
      address: z.string().max(1024),
      bootId: z.string().max(64),
      version: z.string().max(64),
      runtimes: z.array(z.strictObject({ kind: RuntimeKind, isolation: Isolation })),
      volume: z.enum(['btrfs', 'live']),
      capacity: HostCapacity,
    }),
    response: z.strictObject({ heartbeatMs: z.int() }),
  },
  /** Every `heartbeatMs`: what runs here. */
  reportHost: {
    request: z.strictObject({
      host: HostId,
      capacity: HostCapacity,
      workspaces: z.array(WorkspaceFacts).max(10_000),
    }),
    response: z.strictObject({
      /** Workspaces that this host should not be running any more. */
      unwanted: z.array(WorkspaceId),
    }),
  },
  /** Durable once it resolves. */
  reportEvents: {
    request: z.strictObject({ host: HostId, events: z.array(ReportedEvent).max(1000) }),
    response: z.strictObject({}),
  },
  /** Durable once it resolves: states of commands that have changed. */
  reportExecs: {
    request: z.strictObject({
      host: HostId,
      execs: z.array(z.strictObject({ workspace: WorkspaceId, epoch: Epoch, exec: ExecState })).max(1000),
    }),
    response: z.strictObject({}),
  },
  /**
   * Where a request for a served port goes. `not-found` for a port that is not exposed, and for a workspace that does
   * not exist. With `resume` a stopped workspace is resumed first; without, the answer says only that it does not run,
   * so that who may not see the port does not wake it.
   */
  resolveExposure: {
    request: z.strictObject({
      /** An id or a name. */
      workspace: z.string().max(64),
      port: Port,
      resume: z.boolean(),
    }),
    response: z.strictObject({
      workspace: WorkspaceId,
      org: z.string(),
      epoch: Epoch,
      /** Null: it does not run now, and `resume` was not asked for. */
      hostAddress: z.string().nullable(),
      access: ExposureAccess,
      /** A port that is revoked and exposed again has another: tokens for the one before open nothing. */
      exposure: z.string(),
    }),
  },
} as const satisfies RpcTable
