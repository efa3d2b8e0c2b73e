import type { Clock } from '@holdfast/base/clock'
import type { Randomness } from '@holdfast/base/randomness'
import type { FrameCoding } from '../format/frame.ts'
import type { GenerationIndex } from '../index/generation-index.ts'
import type { ObjectStore } from '../store/object-store.ts'

/** What everything that reads or tidies a store works with. */
export interface StoreDeps {
  readonly store: ObjectStore
  readonly index: GenerationIndex
  readonly coding: FrameCoding
}

export interface MaintenanceDeps extends StoreDeps {
  readonly clock: Clock
  readonly randomness: Randomness
  /** Called with the name of each step that is done; tests end the process there. */
  readonly failpoint?: (name: Failpoint) => Promise<void> | void
}

/** The steps between which a crash leaves something for the next run. */
export const FAILPOINTS = [
  'compact.marked',
  'compact.packs-stored',
  'compact.index-stored',
  'compact.replaced',
  'gc.marked',
  'gc.condemned',
  'gc.boundary',
  'gc.checked',
  'gc.reprieved',
  'gc.object-deleted',
  'gc.forgotten',
  'gc.swept',
] as const

export type Failpoint = (typeof FAILPOINTS)[number]

export async function reach(deps: MaintenanceDeps, name: Failpoint): Promise<void> {
  await deps.failpoint?.(name)
}
