import { z } from 'zod'

export const WorkspaceStatus = z.enum([
  'provisioning', // a warm sandbox is being claimed, or one started
  'idle', // ready
  'busy', // a task runs
  'stopping', // what runs is ended, the last generation committed
  'stopped', // no sandbox; the state lives as a generation
  'failed', // cannot go on; kept for inspection
])
export type WorkspaceStatus = z.infer<typeof WorkspaceStatus>

/** Where each status may lead; anything else is `invalid-state`. */
export const NEXT_STATUSES: Readonly<Record<WorkspaceStatus, readonly WorkspaceStatus[]>> = {
  provisioning: ['idle', 'stopping', 'failed'],
  idle: ['busy', 'stopping', 'provisioning', 'stopped', 'failed'], // stopped: the sandbox is gone, nothing to save
  busy: ['idle', 'stopping', 'provisioning', 'stopped', 'failed'], // provisioning: forced restart after a role change
  stopping: ['stopped', 'idle', 'failed'], // idle: the save failed but the sandbox lives, so the stop is undone
  stopped: ['provisioning'],
  failed: ['stopping'],
}
