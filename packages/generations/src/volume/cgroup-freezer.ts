import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '@holdfast/base/clock'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import { fromText } from '../format/byte-string.ts'
import { type CgroupHierarchy, removeCgroup } from './cgroup-hierarchy.ts'
import type { Freezer } from './volume.ts'

/** The places of one cgroup: what a later process needs to find it again. */
export interface CgroupPlaces {
  readonly freezer: string
  /** Where its CPU time is counted, or null. */
  readonly accounting: string | null
}

/** A freezer cgroup with everything in it, and the CPU time that it has used. */
export class CgroupFreezer implements Freezer {
  readonly places: CgroupPlaces

  constructor(places: CgroupPlaces) {
    this.places = places
  }

  /** A new, empty cgroup. Rejects with `unsupported-here`. */
  static create(hierarchy: CgroupHierarchy, name: string): CgroupFreezer {
    const freezer = join(hierarchy.freezer, name)
    const accounting = hierarchy.accounting && join(hierarchy.accounting, name)
    try {
      for (const path of new Set([freezer, accounting])) if (path) mkdirSync(path, { recursive: true })
    } catch (error) {
      const details = { path: freezer, errno: errnoOf(error) ?? 'unknown' }
      throw new Failure('unsupported-here', `cannot make the cgroup ${freezer}`, details, error)
    }
    return new CgroupFreezer({ freezer, accounting })
  }

  /** A cgroup that somebody else made. Rejects with `not-found` unless it can be frozen. */
  static attach(path: string): CgroupFreezer {
    const version1 = existsSync(join(path, 'freezer.state'))
    if (!version1 && !existsSync(join(path, 'cgroup.freeze')))
      throw new Failure('not-found', `${path} is not a freezer cgroup`, { path })
    // Of version 1, nobody knows that the same processes are in the counting hierarchy.
    return new CgroupFreezer({ freezer: path, accounting: version1 ? null : path })
  }

  get cgroups(): string[] {
    return existsSync(this.places.freezer) ? [fromText(this.places.freezer)] : []
  }

  pids = (): readonly number[] => []

  /** The directories that a process writes its pid into to get in. */
  get entrances(): string[] {
    const { freezer, accounting } = this.places
    return accounting === null || accounting === freezer ? [freezer] : [freezer, accounting]
  }

  /**
   * CPU time used so far, in nanoseconds; null where it is not counted. What is running this instant is counted when
   * it next leaves its CPU, at the latest at the kernel's next tick.
   */
  cpuNs(): number | null {
    const { freezer, accounting } = this.places
    if (accounting === null) return null
    try {
      if (accounting !== freezer) return Number(readFileSync(join(accounting, 'cpuacct.usage'), 'latin1'))
      const [, usec] = /^usage_usec (\d+)/m.exec(readFileSync(join(accounting, 'cpu.stat'), 'latin1')) ?? []
      return usec === undefined ? null : Number(usec) * 1000
    } catch {
      return existsSync(freezer) ? null : 0
    }
  }

  /** True while a process is in it, or in a cgroup below. */
  isOccupied(): boolean {
    const { freezer } = this.places
    try {
      // A directory's link count is 2 and one for each directory in it.
      return readFileSync(join(freezer, 'cgroup.procs'), 'latin1') !== '' || statSync(freezer).nlink > 2
    } catch {
      return false
    }
  }

  /** Removes it with the last process; false when that runs on. */
  async remove(clock: Clock): Promise<boolean> {
    for (let attempt = 0; attempt < REMOVALS_MAX; attempt++) {
      if (attempt > 0) await clock.sleep(REMOVAL_PAUSE_MS)
      const gone = this.isOccupied() ? [false] : this.entrances.map(removeCgroup)
      if (!gone.includes(false)) return true
    }
    return false
  }
}

/** What a command leaves behind often ends by itself, and a cgroup stays busy for some milliseconds after that. */
const REMOVALS_MAX = 20
const REMOVAL_PAUSE_MS = 10
