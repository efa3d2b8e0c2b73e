import { isFailure } from '@holdfast/base/failure'
import type { WorkspaceFacts } from '@holdfast/protocol/host-calls'
import type { GuestAnswer, GuestCall } from '@holdfast/sandbox/runtime'
import type { Durable } from './capture-loop.ts'

interface Asked {
  sync(): Promise<Durable>
  readonly facts: WorkspaceFacts
}

/** What user code is told when it asks for `sync` or `status` inside. */
export async function answerGuest(workspace: Asked, call: GuestCall): Promise<GuestAnswer> {
  switch (call.kind) {
    case 'sync':
      return await answerSync(workspace)
    case 'status':
      return { exitCode: 0, text: statusText(workspace.facts) }
  }
}

async function answerSync(workspace: Asked): Promise<GuestAnswer> {
  try {
    const { generation, isNew } = await workspace.sync()
    const said = isNew ? 'durable' : 'nothing has changed: durable'
    return {
      exitCode: 0,
      text: `${said} as generation ${generation.sequence} (${generation.id.slice(0, 12)})\n`,
    }
  } catch (error) {
    const text = isFailure(error) ? `${error.code}: ${error.message}` : 'internal: the host failed'
    return { exitCode: 1, text: `not durable: ${text}\n` }
  }
}

const PRESSURE_SAID: Readonly<Record<WorkspaceFacts['pressure'], string | undefined>> = {
  none: undefined,
  unsynced: 'slowed down: more was written than could be made durable yet',
  disk: 'slowed down: the disk of this host has little room left',
}

function statusText({ head, sequence, syncLagMs, rpoMs, epoch, sandbox, pressure }: WorkspaceFacts): string {
  const generation = head === null ? 'none' : `${sequence} (${head.slice(0, 12)})`
  return [
    `generation ${generation}`,
    `epoch ${epoch}`,
    `not yet durable: the last ${Math.round(syncLagMs)} ms`,
    `at most about ${Math.round(rpoMs)} ms of work are lost in a crash`,
    ...(sandbox?.diskLimit === 'none'
      ? ['nothing bounds what this workspace holds but the disk itself']
      : []),
    ...(PRESSURE_SAID[pressure] === undefined ? [] : [PRESSURE_SAID[pressure]]),
    '',
  ].join('\n')
}
