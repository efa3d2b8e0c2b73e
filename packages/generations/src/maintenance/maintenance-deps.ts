import type { Clock } from '@holdfast/base/clock'
import type { Randomness } from '@holdfast/base/randomness'
import type { FrameCoding } from '../format/frame.ts'
import type { GenerationIndex } from '../index/generation-index.ts'
import type { ObjectStore } from '../store/object-store.ts'
import type { GiveWay } from './turns.ts'

/** What everything that reads or tidies a store works with. */
export interface StoreDeps {
  readonly store: ObjectStore
  readonly index: GenerationIndex
  readonly coding: FrameCoding
  /** Called every few milliseconds of long work; absent: nobody waits for this process. */
  readonly giveWay?: GiveWay
}

export interface MaintenanceDeps extends StoreDeps {
  readonly clock: Clock
  readonly randomness: Randomness
}
