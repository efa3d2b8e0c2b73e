import { Failure } from '@holdfast/base/failure'
import type { PackState } from './generation-index.ts'
import type { StoredPack } from './write-decision.ts'

export type PackMove = 'condemn' | 'reprieve' | 'forget'

/** `from`: the states in which a pack may be named; `to`: the state it has afterwards. */
export const PACK_MOVES: Readonly<
  Record<PackMove, { readonly from: readonly PackState[]; readonly to: PackState }>
> = {
  condemn: { from: ['live'], to: 'condemned' },
  reprieve: { from: ['condemned', 'live'], to: 'live' }, // live: an earlier attempt, or never condemned: both are the aim
  forget: { from: ['condemned'], to: 'deleted' },
}

/** `invalid-argument` for the first name that is no pack of `org` in a state which `move` starts from. */
export function refusePackMove(
  move: PackMove,
  org: string,
  named: ReadonlyMap<string, StoredPack | undefined>,
): Failure | undefined {
  for (const [name, pack] of named) {
    const state = pack?.org === org ? pack.state : 'unknown'
    if (state === 'unknown' || !PACK_MOVES[move].from.includes(state))
      return new Failure('invalid-argument', `cannot ${move} a pack that is ${state}: ${name}`, {
        pack: name,
        state,
      })
  }
  return undefined
}

/** `invalid-argument` for a boundary that no writer could satisfy. */
export function refuseBoundary(boundary: number, clock: number): Failure | undefined {
  if (boundary <= clock) return undefined
  return new Failure('invalid-argument', `the boundary ${boundary} is ahead of the GC clock ${clock}`, {
    boundary,
    clock,
  })
}
