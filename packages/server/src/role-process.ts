import { once } from 'node:events'
import { systemClock } from '@holdfast/base/clock'
import { failureToWire } from '@holdfast/base/failure'
import type { FromRole, ToRole } from './role-messages.ts'
import { startRole } from './roles/start-role.ts'
import { parseSettings } from './settings.ts'

/** After the role was told to end it has this long, then the process ends whatever it does. */
const END_MS_MAX = 120_000

/**
 * The process of one role under a supervisor: takes its settings from the channel, answers until SIGTERM, or until the
 * supervisor is gone, then ends in good order.
 */
export async function runRoleProcess(): Promise<void> {
  const told = Promise.withResolvers<void>()
  const ending = new AbortController()
  for (const event of ['SIGTERM', 'SIGINT', 'SIGHUP', 'disconnect'] as const)
    process.on(event, () => {
      told.resolve()
      ending.abort()
    })
  const [message] = (await once(process, 'message')) as [ToRole]
  try {
    await using role = await startRole(parseSettings(message.settings), ending.signal)
    await say({ kind: 'ready', address: role.address, publicUrl: role.publicUrl, offer: role.offer ?? null })
    await told.promise
    void systemClock.sleep(END_MS_MAX).then(() => process.exit(1))
  } catch (error) {
    const { code, message, details } = failureToWire(error)
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    await say({ kind: 'failed', code, message, details })
    process.exitCode = 1
  }
  process.exit()
}

/** Resolves when it is on its way: a process that ended sooner would take it along. */
async function say(message: FromRole): Promise<void> {
  await new Promise<void>((resolve) => {
    if (!process.connected || !process.send) resolve()
    else process.send(message, () => resolve())
  })
}
