import { Failure } from '@holdfast/base/failure'

/** The generation that a fork starts from, with the org of its workspace. */
export interface ForkPoint {
  readonly id: string
  readonly org: string
  readonly workspace: string
  readonly retained: boolean
}

/** Refuses a fork of what does not exist (`not-found`), belongs to another org or was dropped (`invalid-argument`). */
export function refuseFork(org: string, id: string, point: ForkPoint | undefined): Failure | undefined {
  if (point === undefined) return new Failure('not-found', `no such generation: ${id}`, { id })
  if (point.org !== org)
    return new Failure('invalid-argument', `${id} belongs to another organisation`, { id, org })
  if (!point.retained)
    return new Failure('invalid-argument', `${id} was dropped and cannot be restored`, { id })
  return undefined
}

/** Refuses to drop what a workspace would be restored from: a head, or the fork point before the first commit. */
export function refuseDrop(id: string, exists: boolean, tipOf: string | undefined): Failure | undefined {
  if (!exists) return new Failure('not-found', `no such generation: ${id}`, { id })
  if (tipOf === undefined) return undefined
  return new Failure('invalid-argument', `${id} is what ${tipOf} would be restored from`, {
    id,
    workspace: tipOf,
  })
}
