import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { isFailure } from '@holdfast/base/failure'
import type {
  GenerationCommit,
  GenerationIndex,
  HeldLease,
  PackRow,
} from '@holdfast/generations/index/generation-index'
import type { FailureCode } from '@holdfast/protocol/failures'

export interface OpenedIndex {
  readonly index: GenerationIndex
  /** Opens another handle on the same history; absent where the history lives in its handle. */
  readonly reopen?: () => Promise<GenerationIndex>
  /** Closes what `open` opened and removes it. */
  close(): Promise<void>
}

/** Opens an empty history. */
export type OpenIndex = () => Promise<OpenedIndex>

export const ORG = 'org-a'
export const OTHER_ORG = 'org-b'
export const WORKSPACE = 'ws-1'

export async function rejectsWith(code: FailureCode, call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(isFailure(error, code), `expected ${code}, got ${String(error)}`)
    return true
  })
}

/** `label` decides the name and the hash: equal labels under one lease mean the same pack. */
export function packNamed(lease: HeldLease, label: string): PackRow {
  const name = `${lease.org}/${lease.workspace}/${lease.epoch}/${hash('md5', label)}`
  return { name, bytes: 1_000 + label.length, sha256: hash('sha256', label) }
}

/** What a commit attaches to: a generation, an earlier commit, or null. */
export type Parent = { readonly id: string; readonly sequence: number } | null

/** A commit that brings one new pack; its id is the hash of all it says, so that equal commits have equal ids. */
export function commitOn(
  lease: HeldLease,
  parent: Parent,
  changes: Partial<GenerationCommit> = {},
): GenerationCommit {
  const sequence = parent === null ? 1 : parent.sequence + 1
  const pack = packNamed(lease, `pack of ${changes.message ?? 'commit'} ${sequence}`)
  const unnamed = {
    parent: parent === null ? null : parent.id,
    sequence,
    recordPack: pack.name,
    root: hash('sha256', `root ${sequence}`),
    cause: 'periodic',
    message: 'commit',
    createdAt: 1_700_000_000_000 + sequence,
    files: 3,
    bytes: 4_096,
    consistency: 'cut',
    newPacks: [pack],
    usedPacks: [],
    gcSeen: 0,
    ...changes,
  } as const
  return { id: hash('sha256', JSON.stringify([lease, unnamed])), ...unnamed }
}

/** Runs a scenario on an empty history with one workspace under lease, and removes it afterwards. */
export async function withWorkspace(
  open: OpenIndex,
  scenario: (index: GenerationIndex, lease: HeldLease) => Promise<void>,
): Promise<void> {
  const opened = await open()
  try {
    await opened.index.createWorkspace({ id: WORKSPACE, org: ORG })
    await scenario(opened.index, await opened.index.acquire(WORKSPACE))
  } finally {
    await opened.close()
  }
}

/** Appends `count` generations one after another, each with a pack of its own; returns the commits. */
export async function appendChain(
  index: GenerationIndex,
  lease: HeldLease,
  chain: { readonly count: number; readonly after?: Parent },
): Promise<readonly GenerationCommit[]> {
  const commits: GenerationCommit[] = []
  for (let made = 0; made < chain.count; made += 1) {
    const commit = commitOn(lease, commits.at(-1) ?? chain.after ?? null)
    await index.append(lease, commit)
    commits.push(commit)
  }
  return commits
}

/** All that the history says about some orgs, to compare before and after, or between two adapters. */
export async function describeHistory(index: GenerationIndex, orgs: readonly string[]): Promise<unknown> {
  const described: unknown[] = []
  for (const org of orgs) {
    const workspaces = await index.workspaces(org)
    const contents = workspaces.map(async (row) => ({
      row,
      history: await index.history(row.id, { limit: 1_000 }),
      chunks: await index.chunkIndex(row.id),
    }))
    described.push({
      org,
      clock: await index.gcClock(org),
      workspaces: await Promise.all(contents),
      live: await index.packs(org, 'live'),
      condemned: await index.packs(org, 'condemned'),
      deleted: await index.packs(org, 'deleted'),
    })
  }
  return described
}
