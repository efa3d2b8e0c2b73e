import { Failure } from '@holdfast/base/failure'
import type { GenerationId } from '@holdfast/protocol/identifiers'
import type { WorkspaceRecord } from './workspace.ts'

export type ForkSource =
  /** The parent lives and rests: its present state is captured first. */
  | { readonly kind: 'capture' }
  | { readonly kind: 'generation'; readonly generation: GenerationId }
  /** Nothing was ever committed: the child begins empty. */
  | { readonly kind: 'empty' }

/** Where a fork starts. `at`: a committed generation, allowed in every status, since history is consistent. */
export function decideForkSource(parent: WorkspaceRecord, at: GenerationId | null): ForkSource {
  if (at !== null) return { kind: 'generation', generation: at }
  switch (parent.status) {
    case 'idle':
      return { kind: 'capture' }
    case 'stopped':
    case 'failed':
      return parent.head === null ? { kind: 'empty' } : { kind: 'generation', generation: parent.head }
    case 'busy':
    case 'provisioning':
    case 'stopping':
      throw new Failure(
        'invalid-state',
        `the workspace is ${parent.status}: fork it \`at\` a generation, or wait until it rests`,
        { status: parent.status },
      )
  }
}
