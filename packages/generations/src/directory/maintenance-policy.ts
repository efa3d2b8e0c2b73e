import { GC_GRACE_MS } from '../maintenance/collect-garbage.ts'
import { COMPACTION_POLICY, type CompactionPolicy } from '../maintenance/compaction-plan.ts'
import { RETENTION_POLICY, type RetentionPolicy } from '../maintenance/retention.ts'

/** What a watch does beside its commits, and how often. */
export interface MaintenancePolicy {
  readonly compaction: CompactionPolicy
  readonly retention: RetentionPolicy
  /** From the end of one collection to the beginning of the next. */
  readonly collectEveryMs: number
  readonly graceMs: number
  /** From one drill to the next, over all watches of a directory. */
  readonly drillEveryMs: number
  /** After the first commit of a watch, where nothing of the history was ever verified. */
  readonly drillFirstMs: number
}

export const MAINTENANCE_POLICY: MaintenancePolicy = {
  compaction: COMPACTION_POLICY,
  retention: RETENTION_POLICY,
  collectEveryMs: 10 * 60_000,
  graceMs: GC_GRACE_MS,
  drillEveryMs: 24 * 3600_000,
  drillFirstMs: 3600_000,
}
