import { Failure } from '@holdfast/base/failure'
import type { GenerationCommit, HeldLease } from './generation-index.ts'
import {
  refuseGcSeen,
  refuseLease,
  refuseNewPacks,
  refuseUsedPacks,
  type WriteDecision,
  type WriteState,
} from './write-decision.ts'

/** Where the next generation attaches: the head or, before the first commit of a fork, the fork point. */
export interface Tip {
  readonly id: string
  readonly sequence: number
}

export interface AppendState extends WriteState {
  /** The workspace whose history holds the commit's id already. */
  readonly committedIn: string | undefined
  /** Null: the workspace begins with this commit. */
  readonly tip: Tip | null
}

/** The packs that must be live for `commit`: what it uses and what holds its record, without what it brings. */
export function neededPacks(commit: GenerationCommit): readonly string[] {
  const brought = new Set(commit.newPacks.map((pack) => pack.name))
  return [...new Set([...commit.usedPacks, commit.recordPack])].filter((name) => !brought.has(name))
}

function refuseId(lease: HeldLease, id: string, committedIn: string | undefined): Failure | undefined {
  if (committedIn === undefined) return undefined
  return new Failure(
    'invalid-argument',
    `${id} is a generation of another workspace than ${lease.workspace}`,
    {
      id,
    },
  )
}

function refuseParent(commit: GenerationCommit, tip: Tip | null): Failure | undefined {
  const parent = tip === null ? null : tip.id
  const sequence = tip === null ? 1 : tip.sequence + 1
  if (commit.parent === parent && commit.sequence === sequence) return undefined
  return new Failure(
    'head-moved',
    `${commit.parent ?? 'nothing'} is not the head: ${parent ?? 'nothing'} is`,
    {
      parent: commit.parent,
      head: parent,
      sequence: commit.sequence,
      sequenceNext: sequence,
    },
  )
}

/**
 * Decides whether a commit becomes the head. Pure: the caller reads, asks and writes in one transaction. What is in
 * the history already stays decided, even under an old epoch: that call asks for the outcome of an earlier one.
 */
export function decideAppend(lease: HeldLease, commit: GenerationCommit, state: AppendState): WriteDecision {
  if (state.committedIn === lease.workspace) return { step: 'already-applied' }
  const failure =
    refuseLease(lease, state.workspace) ??
    refuseId(lease, commit.id, state.committedIn) ??
    refuseParent(commit, state.tip) ??
    refuseGcSeen(commit.gcSeen, state.boundary) ??
    refuseUsedPacks(lease.org, neededPacks(commit), state.packs) ??
    refuseNewPacks(lease, commit.newPacks, state.packs)
  if (failure !== undefined) return { step: 'refuse', failure }
  return { step: 'apply', addPacks: commit.newPacks.filter((pack) => !state.packs.has(pack.name)) }
}
