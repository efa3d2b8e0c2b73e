import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { destination, pino } from 'pino'
import type { RunningRole } from '../running-role.ts'
import type { RoleSettings } from '../settings.ts'
import type { RoleGround } from './role-ground.ts'

/**
 * Starts one role in this process; resolves once it answers. Rejects when it is to end while it still waits for others.
 * Only what that role needs is loaded.
 */
export async function startRole(settings: RoleSettings, ending: AbortSignal): Promise<RunningRole> {
  const log = pino({ base: { role: settings.role } }, destination({ dest: 2, sync: true }))
  const ground = { clock: systemClock, randomness: systemRandomness, log, ending }
  log.info({ settings }, 'starting')
  const role = await start(ground, settings)
  log.info({ address: role.address, url: role.publicUrl }, 'ready')
  return role
}

async function start(ground: RoleGround, settings: RoleSettings): Promise<RunningRole> {
  switch (settings.role) {
    case 'lease':
      return (await import('./lease.ts')).startLease(ground, settings)
    case 'control':
      return (await import('./control.ts')).startControl(ground, settings)
    case 'host':
      return (await import('./host.ts')).startHost(ground, settings)
    case 'gateway':
      return (await import('./gateway.ts')).startGatewayRole(ground, settings)
  }
}
