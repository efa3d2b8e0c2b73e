import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@holdfast/base/clock'
import { newIdentifier } from '@holdfast/base/identifier'
import { systemRandomness } from '@holdfast/base/randomness'
import { GenerationId, OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import type { Exposure, Service } from '@holdfast/protocol/rest/exposure'
import type { Generation } from '@holdfast/protocol/rest/generation'
import type { Workspace } from '@holdfast/protocol/rest/workspace'
import { NEXT_STATUSES, type WorkspaceStatus } from '@holdfast/protocol/workspace-status'
import type { z } from 'zod'
import { Refusal } from './api-double-wire.ts'
import type { DoubleExec } from './double-exec.ts'

const ORG = OrgId.parse(newIdentifier('org', systemRandomness))

/** A workspace of the double: a folder, and a copy of it for each generation. */
export class DoubleWorkspace implements Disposable {
  readonly document: Workspace
  readonly generations: Generation[] = []
  readonly execs = new Map<string, DoubleExec>()
  readonly exposures = new Map<number, z.infer<typeof Exposure>>()
  readonly services = new Map<string, z.infer<typeof Service>>()
  environment: Record<string, string> = {}
  readonly #root = mkdtempSync(join(tmpdir(), 'hold-double-'))
  #lostEpoch = 0
  readonly directory = join(this.#root, 'workspace')

  constructor(name: string | null, labels: Record<string, string>) {
    mkdirSync(this.directory)
    this.document = documentOf(name, labels)
  }

  /** Moves along the table of statuses. */
  become(status: WorkspaceStatus): void {
    const { document } = this
    if (!NEXT_STATUSES[document.status].includes(status))
      throw new Error(`the double may not go from ${document.status} to ${status}`)
    document.status = status
    document.last_transition_at = systemClock.wallMs()
    document.allowed_actions =
      status === 'stopped'
        ? ['resume', 'fork', 'archive', 'remove']
        : ['stop', 'exec', 'sync', 'checkpoint', 'fork']
  }

  /** Begins a run that lacks what was not durable. */
  recover(): void {
    this.document.epoch++
    this.#lostEpoch = this.document.epoch - 1
  }

  requireKept(epoch = this.document.epoch): void {
    if (epoch <= this.#lostEpoch) throw new Refusal('lease-lost', `the run of epoch ${epoch} was lost`)
  }

  commit(cause: Generation['cause'], message = ''): Generation {
    const { document } = this
    const id = GenerationId.parse(Buffer.from(systemRandomness.bytes(32)).toString('hex'))
    cpSync(this.directory, join(this.#root, id), { recursive: true, verbatimSymlinks: true })
    const created = systemClock.wallMs()
    const sizes = readdirSync(this.directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).size)
    const generation: Generation = {
      id,
      parent: document.head_generation,
      sequence: document.sequence + 1,
      epoch: document.epoch,
      cause,
      message,
      created_at: created,
      files: sizes.length,
      bytes: sizes.reduce((sum, bytes) => sum + bytes, 0),
      consistency: 'cut',
      verified_at: null,
      retained: true,
    }
    this.generations.unshift(generation)
    Object.assign(document, { head_generation: id, sequence: generation.sequence, last_durable_at: created })
    return generation
  }

  /** By id, the beginning of one, number, or `head`. */
  find(named: string): Generation | undefined {
    if (named === 'head') return this.generations[0]
    return this.generations.find(({ id, sequence }) => String(sequence) === named || id.startsWith(named))
  }

  pathAt(generation: Generation): string {
    return join(this.#root, generation.id)
  }

  /** Puts the files of a generation, of this or of another workspace, in the place of the present ones. */
  fill(from: string): void {
    for (const name of readdirSync(this.directory))
      rmSync(join(this.directory, name), { recursive: true, force: true })
    cpSync(from, this.directory, { recursive: true, verbatimSymlinks: true })
  }

  endExecs(): void {
    for (const exec of this.execs.values()) exec.signal('SIGKILL')
  }

  [Symbol.dispose](): void {
    this.endExecs()
    rmSync(this.#root, { recursive: true, force: true })
  }
}

function documentOf(name: string | null, labels: Record<string, string>): Workspace {
  const now = systemClock.wallMs()
  const nothing = {
    status_reason: null,
    status_message: null,
    archived_at: null,
    head_generation: null,
    last_durable_at: null,
    sync_lag_ms: null,
    rpo_ms: null,
    last_drill: null,
    snapshot_ref: null,
    last_snapshot_error: null,
    budget_snapshot: null,
    parent_workspace_id: null,
    fork_source_snapshot_ref: null,
    fork_point_task_count: null,
    host_id: null,
    task_timeout_ms: null,
    current_task_id: null,
  } as const
  return {
    ...nothing,
    id: WorkspaceId.parse(newIdentifier('ws', systemRandomness)),
    name,
    org_id: ORG,
    role_id: 'plain',
    environment_label: '',
    created_by_user_id: 'system',
    status: 'idle',
    last_transition_at: now,
    created_at: now,
    updated_at: now,
    sequence: 0,
    pack_status: 'current',
    epoch: 1,
    runtime: 'none',
    isolation: 'none',
    ...{ consistency: 'cut', disk_limit: 'enforced', start: 'cold', pressure: 'none' },
    fsync: 'native',
    system: { kind: 'machine' },
    system_writes: 'refused',
    packs: [],
    limits: {
      memory_bytes: 2 ** 30,
      cpus: 1,
      pids: 512,
      disk_bytes: 2 ** 33,
      tmp_bytes: 2 ** 28,
      open_files: 1024,
    },
    idle_timeout_ms: null,
    labels,
    allowed_actions: ['stop', 'exec', 'sync', 'checkpoint', 'fork'],
  }
}
