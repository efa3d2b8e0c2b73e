import { z } from 'zod'
import { ExecRequest, ExecState, OutputChunk, TerminalSize } from './exec.ts'
import { CONSISTENCIES } from './generation.ts'
import { Epoch, ExecId, GenerationId, HostId, OrgId, Port, WorkspaceId } from './identifiers.ts'
import type { RpcTable } from './rpc-table.ts'
import { SandboxContent, SandboxFacts, SandboxSpec } from './sandbox-spec.ts'
import { ServiceSpec, ServiceState } from './service.ts'
import { WireFailure } from './wire-failure.ts'

const InWorkspace = z.strictObject({ workspace: WorkspaceId })
/** A run of a workspace: another one may lack what was not durable when the run ended. */
const InRun = z.strictObject({ workspace: WorkspaceId, epoch: Epoch })
const OfExec = z.strictObject({ workspace: WorkspaceId, exec: ExecId })

export const GenerationSummary = z.strictObject({
  id: GenerationId,
  parent: GenerationId.nullable(),
  sequence: z.int(),
  epoch: Epoch,
  cause: z.string(),
  message: z.string(),
  createdAt: z.number(),
  files: z.int(),
  bytes: z.int(),
  consistency: z.enum(CONSISTENCIES),
  verifiedAt: z.number().nullable(),
  retained: z.boolean(),
})
export type GenerationSummary = z.infer<typeof GenerationSummary>

/**
 * Why the writers of a workspace are slowed down by short freezes: more is written than made durable, or the disk that
 * all workspaces of the host share has little room left.
 */
export const WritePressure = z.enum(['none', 'unsynced', 'disk'])
export type WritePressure = z.infer<typeof WritePressure>

/** How far a workspace on a host is from being durable. */
export const WorkspaceFacts = z.strictObject({
  workspace: WorkspaceId,
  epoch: Epoch,
  state: z.enum(['opening', 'running', 'closing', 'sandbox-gone', 'failed']),
  sandbox: SandboxFacts.nullable(),
  head: GenerationId.nullable(),
  sequence: z.int(),
  /** The wall clock's instant whose state the head holds. */
  lastDurableAt: z.number().nullable(),
  syncLagMs: z.number(),
  rpoMs: z.number(),
  frozenMsP95: z.number(),
  pressure: WritePressure.default('none'),
  /** Since when no command ran and no request was served; null while something does. */
  quietSinceAt: z.number().nullable(),
  failure: WireFailure.nullable(),
})
export type WorkspaceFacts = z.infer<typeof WorkspaceFacts>

const DurableAnswer = z.strictObject({
  generation: GenerationSummary,
  /** False: the head held all of it already. */
  isNew: z.boolean(),
  frozenMs: z.number(),
})

/** Of `local`: which generation it becomes is known once it is durable, and told by `checkpoint_created` then. */
const LocalAnswer = z.strictObject({
  generation: z.null(),
  /** By the wall clock of the host. */
  takenAt: z.number(),
  frozenMs: z.number(),
})

/** How the last commit of a closing workspace went. */
export const CloseOutcome = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('saved'), generation: GenerationSummary }),
  z.strictObject({
    kind: z.literal('not-saved'),
    sandbox: z.enum(['alive', 'gone']),
    failure: WireFailure,
  }),
])
export type CloseOutcome = z.infer<typeof CloseOutcome>

/** What a host answers to control; the bytes go over its streams (`host-streams.ts`). */
export const HOST_CALLS = {
  /**
   * Asks the registries what the names mean now: the same content with a digest everywhere. What has one is not asked
   * for. Rejects with `invalid-argument`, `not-found`, `image-refused`, `image-unavailable`.
   */
  pinContent: { request: SandboxContent, response: SandboxContent },
  /**
   * Makes a workspace run here: acquires the lease, brings the head (or `generation`) into the volume, starts sandbox,
   * services and captures. Resolves once commands can run; called again, it joins what is under way or answers for what
   * runs. Rejects with `lease-held`, `isolation-unavailable`, `volume-full`, `sandbox-failed`.
   */
  openWorkspace: {
    request: z.strictObject({
      workspace: WorkspaceId,
      org: OrgId,
      spec: SandboxSpec,
      services: z.array(ServiceSpec).max(64),
      /** The lease that was handed over to this host; null: acquire one. */
      handedOver: z.strictObject({ epoch: Epoch, ttlMs: z.int() }).nullable(),
      /** Continues from an older generation, as a new one with cause `rollback`; null: the head. */
      rollBackTo: GenerationId.nullable(),
    }),
    response: WorkspaceFacts,
  },
  /** Commits the last generation, ends the sandbox, releases the lease. `not-saved` with a live sandbox: it goes on. */
  closeWorkspace: {
    request: z.strictObject({
      workspace: WorkspaceId,
      cause: z.enum(['stop', 'restart', 'termination']),
      /** Waits so long for commands to end by themselves. */
      drainMs: z.int().min(0).max(3_600_000),
      /** Ends the sandbox even if nothing could be saved. */
      force: z.boolean(),
    }),
    response: CloseOutcome,
  },
  /** Removes volume, local generations and exec logs of a workspace that is not open here. */
  forgetWorkspace: { request: InWorkspace, response: z.strictObject({}) },
  workspaceFacts: { request: InWorkspace, response: WorkspaceFacts },
  /** Of the run of that epoch: rejects with `outcome-unknown` once another one runs here. */
  sync: { request: InRun, response: DurableAnswer },
  /**
   * As `sync`. `durable`: resolves when it is the head. `local`: when the instant is fixed on this host's disk; it is
   * committed then, and the host tells `checkpoint_created`, or `checkpoint_failed` if it never can be. A volume that
   * cannot fix an instant apart from a commit answers as for `durable`.
   */
  checkpoint: {
    request: z.strictObject({
      ...InRun.shape,
      message: z.string().max(4096),
      until: z.enum(['local', 'durable']),
    }),
    response: z.union([DurableAnswer, LocalAnswer]),
  },
  /** Fresh sandbox on the state of an older generation. The present state is committed first. */
  rollBack: {
    request: z.strictObject({ workspace: WorkspaceId, generation: GenerationId }),
    response: z.strictObject({ facts: WorkspaceFacts, tookMs: z.number() }),
  },
  /** Hands the workspace to another host: pre-copy, freeze, last commit, release that names the successor, open there. */
  handOff: {
    request: z.strictObject({
      workspace: WorkspaceId,
      target: z.strictObject({ host: HostId, address: z.string() }),
      drainMs: z.int().min(0).max(3_600_000),
    }),
    response: z.strictObject({ facts: WorkspaceFacts, pauseMs: z.number(), preCopyMs: z.number() }),
  },
  /** Brings the head into a volume here, and the system and packs, while another host still runs the workspace. */
  prepareIncoming: {
    request: z.strictObject({
      workspace: WorkspaceId,
      org: OrgId,
      generation: GenerationId,
      content: SandboxContent,
    }),
    response: z.strictObject({ generation: GenerationId }),
  },
  /** Restores a generation for real, checks it, records the outcome. */
  drill: {
    request: z.strictObject({ workspace: WorkspaceId, org: OrgId, generation: GenerationId.nullable() }),
    response: z.strictObject({
      generation: GenerationId,
      outcome: z.enum(['verified', 'damaged']),
      detail: z.string(),
      tookMs: z.number(),
    }),
  },

  /**
   * An id that exists answers with that command: nothing is run twice. Rejects with `outcome-unknown` where it would
   * begin in another run than that of the epoch.
   */
  startExec: {
    request: z.strictObject({
      ...InRun.shape,
      exec: ExecId,
      request: ExecRequest,
      /** Waits so long for its end, and brings at most so much of its output along. */
      waitMs: z.int().min(0).max(60_000),
      outputBytesMax: z
        .int()
        .min(0)
        .max(1 << 20),
    }),
    response: z.strictObject({ exec: ExecState, output: z.array(OutputChunk), isOutputWhole: z.boolean() }),
  },
  execState: {
    request: z.strictObject({ workspace: WorkspaceId, exec: ExecId, waitMs: z.int().min(0).max(60_000) }),
    response: ExecState,
  },
  listExecs: { request: InWorkspace, response: z.strictObject({ execs: z.array(ExecState) }) },
  signalExec: {
    request: z.strictObject({ ...OfExec.shape, signal: z.string().regex(/^SIG[A-Z0-9]{2,8}$/) }),
    response: z.strictObject({}),
  },
  resizeExec: {
    request: z.strictObject({ ...OfExec.shape, size: TerminalSize }),
    response: z.strictObject({}),
  },
  /** Base64, at most 64 KiB a call; `isEnd` closes the standard input. */
  execInput: {
    request: z.strictObject({ ...OfExec.shape, bytes: z.string().max(90_000), isEnd: z.boolean() }),
    response: z.strictObject({}),
  },
  /** Ends a command that runs: TERM, then KILL after the grace. Forgets one that has ended. */
  deleteExec: {
    request: z.strictObject({ ...OfExec.shape, graceMs: z.int().min(0).max(60_000) }),
    response: ExecState,
  },

  setServices: {
    request: z.strictObject({ workspace: WorkspaceId, services: z.array(ServiceSpec).max(64) }),
    response: z.strictObject({ services: z.array(ServiceState) }),
  },
  serviceStates: { request: InWorkspace, response: z.strictObject({ services: z.array(ServiceState) }) },
  /** Ports of 127.0.0.1 on which something listens inside. */
  listeningPorts: { request: InWorkspace, response: z.strictObject({ ports: z.array(Port) }) },

  /** Takes no new workspace from now on. */
  drain: { request: z.strictObject({}), response: z.strictObject({}) },
} as const satisfies RpcTable
