import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isFailure } from '@holdfast/base/failure'
import type { Unfinished } from '../directory/unfinished.ts'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import type { Holdfs } from '../holdfs/holdfs.ts'
import type { GenerationRow } from '../index/generation-index.ts'
import { RestoreThreads } from '../restore/restore-threads.ts'
import { type RestoreProgress, restoreTree } from '../restore/restore-tree.ts'
import { type CheckedDatabase, checkDatabases } from './check-databases.ts'
import type { MaintenanceDeps } from './maintenance-deps.ts'
import { openReadable } from './mark-workspace.ts'
import { newestIntact } from './newest-intact.ts'
import { restoredRoot } from './restored-root.ts'
import { isOfWholeStore } from './store-refusal.ts'

/** Differing paths that a report names. */
const PATHS_TOLD_MAX = 20

export interface DrillDeps extends MaintenanceDeps {
  readonly holdfs: Holdfs
  readonly threads: number
  readonly sealKey: Uint8Array | null
  /** True when the process may set owners and mount. */
  readonly isRoot: boolean
  /** Told of the scratch directory that is to go again. */
  readonly unfinished?: Unfinished
}

export interface DrillRequest {
  readonly org: string
  readonly generation: GenerationRow
  /** An existing directory with room for the generation; what the drill puts there is removed. */
  readonly scratch: string
  /** The path at which the writers had the directory: some databases recover only there. */
  readonly mountPath: string
  /** Each byte counts twice: once restored, once compared. */
  readonly onProgress?: (progress: RestoreProgress) => void
}

export interface DrillTimes {
  readonly restoreMs: number
  readonly compareMs: number
  readonly databasesMs: number
}

export type DrillOutcome =
  | {
      readonly kind: 'verified'
      readonly files: number
      readonly bytes: number
      readonly databases: readonly CheckedDatabase[]
      readonly times: DrillTimes
    }
  | {
      /** Restored and compared as when verified, but some databases could not be opened: nothing is marked. */
      readonly kind: 'unchecked'
      readonly files: number
      readonly bytes: number
      readonly databases: readonly CheckedDatabase[]
      readonly times: DrillTimes
    }
  | {
      readonly kind: 'failed'
      readonly problem: string
      /** The newest other generation of which every chunk is intact: what to restore. */
      readonly newestIntact: string | undefined
    }

/**
 * Restores a generation from the store into a scratch directory, as a fresh machine would, and proves the result: the
 * Merkle root computed from the disk is the record's, and SQLite finds every database whole. Then the generation is
 * marked as verified, which a drill that fails, or that cannot open a database, never does. Rejects with `store-unavailable`, `volume-full` and the
 * like, which say nothing about the generation.
 */
export async function drillGeneration(deps: DrillDeps, request: DrillRequest): Promise<DrillOutcome> {
  const { generation, org } = request
  const scratch = mkdtempSync(join(request.scratch, 'drill-'))
  using _making = deps.unfinished?.add(scratch)
  try {
    const outcome = await attempt(deps, request, scratch)
    if (outcome.kind === 'verified') {
      await deps.index.markVerified(generation.id, deps.clock.wallMs())
      return outcome
    }
    if (outcome.kind === 'unchecked') return outcome
    const intact = await newestIntact(deps, { org, workspace: generation.workspace }, generation.id)
    return { ...outcome, newestIntact: intact?.id }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

async function attempt(deps: DrillDeps, request: DrillRequest, scratch: string): Promise<DrillOutcome> {
  try {
    return await restoreAndProve(deps, request, join(scratch, 'restored'))
  } catch (error) {
    if (!isFailure(error) || isOfWholeStore(error)) throw error
    return failed(`${error.code}: ${error.message}`)
  }
}

function failed(problem: string): DrillOutcome {
  return { kind: 'failed', problem, newestIntact: undefined }
}

async function restoreAndProve(deps: DrillDeps, request: DrillRequest, path: string): Promise<DrillOutcome> {
  const { generation, org } = request
  const started = deps.clock.monotonicMs()
  mkdirSync(path, { mode: 0o700 })
  const root = chunkIdFromHex(generation.root)
  const { reader } = await openReadable(
    deps,
    { org, workspace: generation.workspace },
    { onUnreadable: () => {} },
  )
  const threads = new RestoreThreads(deps.threads, deps.sealKey)
  let last: RestoreProgress = { bytesDone: 0, bytesTotal: 0, filesTotal: 0 }
  const tell = (progress: RestoreProgress, comparedBytes: number) => {
    last = progress
    const { bytesDone, bytesTotal, filesTotal } = progress
    request.onProgress?.({ bytesDone: bytesDone + comparedBytes, bytesTotal: 2 * bytesTotal, filesTotal })
  }
  const restored = await restoreTree(
    { ...deps, chunks: reader, threads, setOwners: deps.isRoot },
    { root, path, files: generation.files, onProgress: (progress) => tell(progress, 0) },
  )
  const compared = deps.clock.monotonicMs()
  const onDisk = await restoredRoot(
    { ...deps, chunks: reader, setOwners: deps.isRoot },
    { path, root, onCompared: (bytes) => tell(last, bytes) },
  )
  if (onDisk.root !== generation.root || onDisk.differing.length > 0) {
    const paths = onDisk.differing.slice(0, PATHS_TOLD_MAX).join(', ')
    return failed(`restored, these paths differ from the record: ${paths}`)
  }
  const opened = deps.clock.monotonicMs()
  const { mountPath } = request
  const databases = await checkDatabases({
    directory: path,
    databases: onDisk.databases,
    mountPath,
    isRoot: deps.isRoot,
  })
  const broken = databases.filter(({ problem }) => problem !== undefined)
  if (broken.length > 0) return failed(broken.map(({ path: at, problem }) => `${at}: ${problem}`).join('; '))
  const times = {
    restoreMs: compared - started,
    compareMs: opened - compared,
    databasesMs: deps.clock.monotonicMs() - opened,
  }
  const kind = databases.some(({ notChecked }) => notChecked !== undefined) ? 'unchecked' : 'verified'
  return { kind, files: restored.files, bytes: restored.bytes, databases, times }
}
