import type { SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import { clearMountPoints } from '../system/kept-system.ts'
import { overlaysOf } from '../system/overlay-plan.ts'
import { GUEST_USER_ID, type RootPlan } from '../system/root-plan.ts'
import { systemMaps, upperMaps } from './owner-maps.ts'

export interface WritableRoot {
  readonly spec: SandboxSpec
  readonly plan: RootPlan
  /** Of this sandbox alone. */
  readonly folder: string
  readonly firstUid: number
  /** Where what is written is kept; null: in memory, as much as fits into `/tmp`. */
  readonly upperPath: string | null
}

/** The words of holdmount that show a system which the guest may write at `target`, for the program behind them. */
export function overWords(
  { spec, plan, folder, firstUid, upperPath }: WritableRoot,
  target: string,
): string[] {
  const owner = spec.allowRoot ? 0 : GUEST_USER_ID
  const upper =
    upperPath === null ? [String(spec.limits.tmpBytes), '-'] : [upperPath, upperMaps(firstUid).join(',')]
  const overlays = overlaysOf({ system: spec.system, plan }, folder)
  if (upperPath !== null) clearMountPoints(upperPath, overlays)
  return [
    ...['over', target, String(firstUid + owner), systemMaps(firstUid, owner).join(','), ...upper],
    ...overlays.flatMap(({ name, target: path, layers }) => ['+', name, path, ...layers]),
    '--',
  ]
}
