import { statfsSync } from 'node:fs'
import type { Clock } from '@holdfast/base/clock'
import { errnoOf } from '@holdfast/base/errno'
import { isFailure } from '@holdfast/base/failure'
import { fromText } from '@holdfast/generations/format/byte-string'
import type { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import type { WritePressure } from '@holdfast/protocol/host-calls'
import type { CaptureLoop } from './capture-loop.ts'
import type { FrozenWorkload } from './frozen-workload.ts'
import { FROZEN_SHARE, judgePressure, PRESSURE_BOUNDS, type PressureBounds } from './write-pressure.ts'

/** Of one freeze and the run after it. A capture waits no longer than this. */
const SLICE_MS = 100
const LOOK_MS = 200
/** What counts is known as of the last sync: a history that stands still has it made this often. */
const SYNC_MS = 1000
const READINGS_MAX = 256

export interface MeasuredFiles {
  readonly path: string
  /** What counts against the workspace's bound; null where nothing is counted. */
  usedBytes(): Promise<number | null>
}

export interface BrakeDeps {
  readonly clock: Clock
  readonly holdfs: Pick<Holdfs, 'syncfs'>
  readonly workload: Pick<FrozenWorkload, 'slow' | 'cpuNs'>
  readonly captures: Pick<CaptureLoop, 'settledAt'>
  readonly files: MeasuredFiles
  /** A directory of the file system that holds all volumes of the host. */
  readonly disk: string
  readonly bounds?: PressureBounds
}

/** What of a running workspace is watched and slowed down. */
export type BrakedParts = Pick<BrakeDeps, 'workload' | 'captures' | 'files'>

/** Watches until it is disposed of. */
export interface Brake extends AsyncDisposable {
  readonly pressure: WritePressure
}

interface Reading {
  readonly at: number
  readonly usedBytes: number
}

/** Slows the writers of one workspace down by short freezes while they outrun the history, or the disk is nearly full. */
export class WriteBrake implements Brake {
  readonly #deps: BrakeDeps
  readonly #over = new AbortController()
  readonly #ended: Promise<void>
  /** From the last one that the history holds on. */
  #readings: readonly Reading[] = []
  #pressure: WritePressure = 'none'
  #cpuNs: number | null = null

  constructor(deps: BrakeDeps) {
    this.#deps = deps
    this.#ended = this.#run()
  }

  get pressure(): WritePressure {
    return this.#pressure
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort()
    await this.#ended
  }

  async #run(): Promise<void> {
    const { clock } = this.#deps
    const { signal } = this.#over
    while (!signal.aborted) {
      try {
        this.#pressure = await this.#look()
        await this.#slow(LOOK_MS)
      } catch (error) {
        if (!isFailure(error) && errnoOf(error) === undefined) throw error // what is wrong with the sandbox or the disk, others find
        await clock.sleep(LOOK_MS, signal).catch(() => {}) // ended by the end
      }
    }
  }

  /** Freezes and lets run in turns, for so long. */
  async #slow(ms: number): Promise<void> {
    const { clock, workload } = this.#deps
    const { signal } = this.#over
    const share = FROZEN_SHARE[this.#pressure]
    if (share === 0) return await clock.sleep(ms, signal).catch(() => {}) // ended by the end
    for (let at = 0; at < ms && !signal.aborted; at += SLICE_MS) {
      await workload.slow(SLICE_MS * share)
      await clock.sleep(SLICE_MS * (1 - share), signal).catch(() => {}) // ended by the end
    }
  }

  async #look(): Promise<WritePressure> {
    const { files, disk, bounds = PRESSURE_BOUNDS } = this.#deps
    const isQuiet = this.#pressure === 'none' && this.#hasStoodStill()
    const unsyncedBytes = await this.#unsyncedBytes(isQuiet)
    if (isQuiet) return 'none'
    return judgePressure({ unsyncedBytes, disks: [diskOf(files.path), diskOf(disk)] }, bounds)
  }

  /** Nothing has run since the last look: there is nobody to slow down, and an idle workspace costs next to nothing. */
  #hasStoodStill(): boolean {
    const before = this.#cpuNs
    this.#cpuNs = this.#deps.workload.cpuNs()
    return before !== null && before === this.#cpuNs
  }

  /** 0 where the volume does not count. */
  async #unsyncedBytes(isQuiet: boolean): Promise<number> {
    const { clock, holdfs, files, captures } = this.#deps
    const at = clock.monotonicMs()
    const before = await files.usedBytes()
    if (before === null) return 0
    const isStale =
      !isQuiet && at - captures.settledAt > SYNC_MS && at - (this.#readings.at(-1)?.at ?? 0) > SYNC_MS / 2
    if (isStale) await holdfs.syncfs(fromText(files.path))
    const usedBytes = isStale ? ((await files.usedBytes()) ?? 0) : before
    const { settledAt } = captures
    const held = this.#readings.findLastIndex((reading) => reading.at <= settledAt)
    this.#readings = [...this.#readings.slice(Math.max(0, held)), { at, usedBytes }]
    if (this.#readings.length > READINGS_MAX) this.#readings = this.#readings.toSpliced(1, 1)
    return usedBytes - (this.#readings[0]?.usedBytes ?? usedBytes)
  }
}

function diskOf(path: string): { readonly freeBytes: number; readonly bytes: number } {
  const { bavail, blocks, bsize } = statfsSync(path)
  return { freeBytes: bavail * bsize, bytes: blocks * bsize }
}
