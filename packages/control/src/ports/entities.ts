import type { ExposureAccess } from '@holdfast/protocol/control-calls'
import type { Scope } from '@holdfast/protocol/endpoints'
import type { WorkspaceFacts } from '@holdfast/protocol/host-calls'
import type { HostId, KeyId, OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import type { ServiceSpec } from '@holdfast/protocol/service'
import type { WorkspaceStatus } from '@holdfast/protocol/workspace-status'
import type { Position } from '../domain/cursor.ts'
import type { ExecRecord } from '../domain/exec.ts'
import type { HostRecord } from '../domain/host.ts'
import type { DrillRecord, WorkspaceRecord } from '../domain/workspace.ts'

/** What is asked of a tenant's rows takes the org: whose row is foreign answers as one that does not exist. */
export interface WorkspaceReads {
  byId(id: WorkspaceId): Promise<WorkspaceRecord | undefined>
  /** By id or name; not one that was removed. */
  find(org: OrgId, idOrName: string): Promise<WorkspaceRecord | undefined>
  /** By id or name over all orgs; undefined for a name that several have. */
  findAnywhere(idOrName: string): Promise<WorkspaceRecord | undefined>
  /** Newest first. */
  list(query: WorkspaceQuery): Promise<readonly WorkspaceRecord[]>
  /** Those whose step is due: transitional, or removed and not yet gone. */
  due(nowMs: number, limit: number): Promise<readonly WorkspaceId[]>
  /** Those that have a sandbox. */
  live(): Promise<readonly WorkspaceRecord[]>
  /** Those that run, or are to be opened, on a host. */
  onHost(host: HostId): Promise<readonly WorkspaceRecord[]>
  /** How many workspaces each host has. */
  load(): Promise<ReadonlyMap<HostId, number>>
  countByStatus(): Promise<ReadonlyMap<WorkspaceStatus, number>>
  children(org: OrgId, parents: readonly WorkspaceId[]): Promise<readonly WorkspaceRecord[]>
}

export interface WorkspaceQuery {
  readonly org: OrgId
  readonly status?: WorkspaceStatus
  readonly name?: string
  readonly labels: readonly (readonly [name: string, value: string])[]
  readonly includeArchived: boolean
  readonly after?: Position
  readonly limit: number
}

export interface WorkspaceWrites extends WorkspaceReads {
  /** The record, which nobody else changes until the transaction ends. */
  take(id: WorkspaceId): Promise<WorkspaceRecord | undefined>
  /** Rejects with `already-exists` for a name that is taken. */
  insert(record: WorkspaceRecord): Promise<void>
  /** Rejects with `already-exists` for a name that is taken. */
  save(record: WorkspaceRecord): Promise<void>
}

export interface KnownFacts {
  readonly host: HostId
  readonly at: number
  readonly facts: WorkspaceFacts
}

export interface FactReads {
  of(workspaces: readonly WorkspaceId[]): Promise<ReadonlyMap<WorkspaceId, KnownFacts>>
}
export interface FactWrites extends FactReads {
  put(known: KnownFacts): Promise<void>
  remove(workspace: WorkspaceId): Promise<void>
}

export interface ExecReads {
  find(workspace: WorkspaceId, id: string): Promise<ExecRecord | undefined>
  /** Newest first. */
  list(query: {
    readonly workspace: WorkspaceId
    readonly after?: Position
    readonly limit: number
  }): Promise<readonly ExecRecord[]>
  running(workspace: WorkspaceId): Promise<readonly ExecRecord[]>
  /** When a command of each began or ended last, and whether one runs. */
  lastActivity(workspace: WorkspaceId): Promise<{ readonly at: number | null; readonly isRunning: boolean }>
}
export interface ExecWrites extends ExecReads {
  insert(record: ExecRecord): Promise<void>
  save(record: ExecRecord): Promise<void>
  remove(workspace: WorkspaceId, id: string): Promise<void>
  /** Removes some that ended before `at`; true if there may be more. */
  removeEndedBefore(at: number, rowsMax: number): Promise<boolean>
}

export interface ExposureRecord {
  /** As long as it is not revoked; tokens are minted for it. */
  readonly id: string
  readonly workspace: WorkspaceId
  readonly org: OrgId
  readonly port: number
  readonly access: ExposureAccess
  readonly createdAt: number
}
export interface ExposureReads {
  find(workspace: WorkspaceId, port: number): Promise<ExposureRecord | undefined>
  list(workspace: WorkspaceId): Promise<readonly ExposureRecord[]>
}
export interface ExposureWrites extends ExposureReads {
  put(record: ExposureRecord): Promise<void>
  remove(workspace: WorkspaceId, port: number): Promise<boolean>
}

export interface ServiceReads {
  list(workspace: WorkspaceId): Promise<readonly ServiceSpec[]>
}
export interface ServiceWrites extends ServiceReads {
  put(workspace: WorkspaceId, spec: ServiceSpec): Promise<void>
  remove(workspace: WorkspaceId, name: string): Promise<boolean>
}

export interface KeyRecord {
  readonly id: KeyId
  readonly org: OrgId
  readonly user: string
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly secretHash: string
  readonly createdAt: number
  readonly expiresAt: number | null
  readonly lastUsedAt: number | null
}
export interface KeyReads {
  byId(id: KeyId): Promise<KeyRecord | undefined>
  list(query: {
    readonly org: OrgId
    readonly after?: Position
    readonly limit: number
  }): Promise<readonly KeyRecord[]>
}
export interface KeyWrites extends KeyReads {
  insert(record: KeyRecord): Promise<void>
  touch(id: KeyId, at: number): Promise<void>
  remove(org: OrgId, id: KeyId): Promise<boolean>
}

export interface OrgRecord {
  readonly id: OrgId
  readonly name: string
  readonly createdAt: number
}
export interface OrgReads {
  byId(id: OrgId): Promise<OrgRecord | undefined>
  any(): Promise<OrgRecord | undefined>
}
export interface OrgWrites extends OrgReads {
  insert(org: OrgRecord, user: string): Promise<void>
}

export interface HostReads {
  byId(id: HostId): Promise<HostRecord | undefined>
  list(): Promise<readonly HostRecord[]>
}
export interface HostWrites extends HostReads {
  put(record: HostRecord): Promise<void>
}

export interface DrillReads {
  list(query: {
    readonly org: OrgId
    readonly beforeId?: number
    readonly limit: number
  }): Promise<readonly (DrillRecord & { readonly id: number })[]>
}
export interface DrillWrites extends DrillReads {
  insert(org: OrgId, record: DrillRecord): Promise<void>
}

/** An answer that was given, to be given again. */
export interface GivenAnswer {
  readonly org: OrgId
  readonly key: string
  readonly fingerprint: string
  readonly status: number
  readonly body: string
  readonly expiresAt: number
}
export interface AnswerReads {
  find(org: OrgId, key: string): Promise<GivenAnswer | undefined>
}
export interface AnswerWrites extends AnswerReads {
  put(answer: GivenAnswer): Promise<void>
  removeExpired(nowMs: number): Promise<void>
}

/** Ids of reported events, so that one that is told twice counts once. */
export interface ReportWrites {
  /** True for the first time. */
  note(id: string, at: number): Promise<boolean>
  removeBefore(at: number): Promise<void>
}

export interface EntityReads {
  readonly workspaces: WorkspaceReads
  readonly facts: FactReads
  readonly execs: ExecReads
  readonly exposures: ExposureReads
  readonly services: ServiceReads
  readonly keys: KeyReads
  readonly orgs: OrgReads
  readonly hosts: HostReads
  readonly drills: DrillReads
  readonly answers: AnswerReads
}

export interface EntityWrites extends EntityReads {
  readonly workspaces: WorkspaceWrites
  readonly facts: FactWrites
  readonly execs: ExecWrites
  readonly exposures: ExposureWrites
  readonly services: ServiceWrites
  readonly keys: KeyWrites
  readonly orgs: OrgWrites
  readonly hosts: HostWrites
  readonly drills: DrillWrites
  readonly answers: AnswerWrites
  readonly reports: ReportWrites
}
