import { rm } from 'node:fs/promises'
import type { GenerationRow } from '@holdfast/generations/index/generation-index'
import type { ServiceSpec } from '@holdfast/protocol/service'
import { finishFrozen } from './finish-frozen.ts'
import type { LiveWorkspace } from './live-workspace.ts'

export interface RollBackRequest {
  readonly generation: GenerationRow
  readonly services: readonly ServiceSpec[]
  /** The commit of the present state is tried for so long. */
  readonly finalMs: number
}

/**
 * A fresh sandbox on the tree of an older generation, as a new one. The old tree is brought while the present one runs;
 * then that is frozen, committed, and ended while the generation of the old tree is made. Until it is committed, a failure leaves the sandbox running; later ones leave
 * a fresh sandbox on the present tree.
 */
export async function rollBackLive(live: LiveWorkspace, request: RollBackRequest): Promise<void> {
  const { files, lease, registry } = live
  const { generation, services, finalMs } = request
  let ending: Promise<void> | undefined
  const beforeCommit = async () => {
    await finishFrozen(live, { cause: 'sync', withinMs: finalMs })
    registry.expectEnd('rollback')
    ending = live.endRun()
    ending.catch(() => {}) // told below
  }
  live.reserve()
  try {
    const replacement = { generation, force: true, beforeCommit, beforeExchange: async () => await ending }
    const { aside, generation: made } = await files.replaceTree(lease.held, replacement)
    live.noteCommitted(made)
    if (aside !== null) void rm(aside, { recursive: true, force: true }).catch(() => {}) // the next one removes it
  } finally {
    await ending?.catch(() => {}) // one that does not end is told as the failure of the rollback
    if (live.sandbox === undefined) await live.run(services)
    else await live.giveBack()
  }
}
