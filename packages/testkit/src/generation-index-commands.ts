import assert from 'node:assert/strict'
import { isFailure } from '@holdfast/base/failure'
import type {
  GenerationCommit,
  GenerationIndex,
  HeldLease,
} from '@holdfast/generations/index/generation-index'
import fc from 'fast-check'
import { commitOn, describeHistory, ORG, OTHER_ORG, packNamed } from './generation-index-fixture.ts'

/** The model, and all that was ever handed out, so that commands can use what is stale. */
export interface IndexModel {
  readonly index: GenerationIndex
  readonly workspaces: { readonly id: string; readonly org: string }[]
  readonly leases: HeldLease[]
  readonly commits: { readonly lease: HeldLease; readonly commit: GenerationCommit }[]
  readonly packs: string[]
}

/** Handles on one history: command n goes through handle n mod their number. */
export interface IndexesUnderTest {
  readonly handles: readonly GenerationIndex[]
  turn: number
}

export function emptyModel(index: GenerationIndex): IndexModel {
  return { index, workspaces: [], leases: [], commits: [], packs: [] }
}

/** One number of the generator: an index into a list of any length, newest entries first. */
type Pick = number

function picked<T>(list: readonly T[], pick: Pick): T | undefined {
  return list.length === 0 ? undefined : list[list.length - 1 - (pick % list.length)]
}

function pickedNames(list: readonly string[], picks: readonly Pick[]): string[] {
  return [...new Set(picks.flatMap((pick) => picked(list, pick) ?? []))]
}

type Call = (index: GenerationIndex) => Promise<unknown>

/** A call on the model and on the index under test: both must say the same. */
class IndexCommand implements fc.AsyncCommand<IndexModel, IndexesUnderTest> {
  readonly #name: string
  readonly #prepare: (model: IndexModel) => Promise<Call>

  constructor(name: string, prepare: (model: IndexModel) => Promise<Call>) {
    this.#name = name
    this.#prepare = prepare
  }

  check(): boolean {
    return true
  }

  async run(model: IndexModel, real: IndexesUnderTest): Promise<void> {
    const call = await this.#prepare(model)
    const handle = real.handles[real.turn % real.handles.length]
    assert.ok(handle)
    real.turn += 1
    const expected = await outcomeOf(call(model.index))
    assert.deepEqual(await outcomeOf(call(handle)), expected)
    if (typeof expected === 'object' && expected !== null && 'epoch' in expected) keepLease(model, expected)
  }

  toString(): string {
    return this.#name
  }
}

function keepLease(model: IndexModel, lease: object): void {
  if ('org' in lease && 'workspace' in lease && 'epoch' in lease) {
    const { org, workspace, epoch } = lease
    model.leases.push({ org: String(org), workspace: String(workspace), epoch: Number(epoch) })
  }
}

/** The value, or the failure's code. */
async function outcomeOf(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call
  } catch (error) {
    if (isFailure(error)) return `rejected with ${error.code}`
    throw error
  }
}

const pick = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.nat(30) })
const picks = fc.array(pick, { maxLength: 3 })
const org = fc.constantFrom(ORG, ORG, ORG, OTHER_ORG)
const instant = fc.nat(1_000)

const create = fc.tuple(org, fc.nat(5), fc.option(pick)).map(
  ([inOrg, n, fork]) =>
    new IndexCommand(`create ${inOrg} ws-${n} fork ${fork}`, async (model) => {
      const source = fork === null ? undefined : picked(model.commits, fork)
      const workspace = { id: `ws-${n}`, org: inOrg, ...(source ? { forkedFrom: source.commit.id } : {}) }
      if (!model.workspaces.some((known) => known.id === workspace.id)) model.workspaces.push(workspace)
      return (index) => index.createWorkspace(workspace)
    }),
)

const acquire = pick.map(
  (which) =>
    new IndexCommand(`acquire ${which}`, async (model) => {
      const workspace = picked(model.workspaces, which)?.id ?? 'ws-none'
      return (index) => index.acquire(workspace)
    }),
)

const append = fc
  .record({ lease: pick, stale: fc.option(pick, { freq: 5 }), uses: picks, lag: fc.nat(2) })
  .map(
    ({ lease: leasePick, stale, uses, lag }) =>
      new IndexCommand(`append ${JSON.stringify({ leasePick, stale, uses, lag })}`, async (model) => {
        const lease = picked(model.leases, leasePick)
        if (lease === undefined) return (index) => index.gcClock(ORG)
        const row = await model.index.workspace(lease.workspace)
        const tip = row.head ?? row.forkedFrom
        const present = tip === null ? null : await model.index.generation(tip)
        const parent = stale === null ? present : (picked(model.commits, stale)?.commit ?? null)
        const usedPacks = pickedNames(model.packs, lag === 0 ? uses : [])
        const gcSeen = Math.max(0, (await model.index.gcClock(lease.org)) - lag)
        const message = `commit ${model.commits.length}`
        const commit = commitOn(lease, parent, { message, usedPacks, gcSeen })
        model.commits.push({ lease, commit })
        model.packs.push(commit.recordPack)
        return (index) => index.append(lease, commit)
      }),
  )

const resubmit = fc.tuple(pick, fc.option(pick)).map(
  ([which, leasePick]) =>
    new IndexCommand(`resubmit ${which} lease ${leasePick}`, async (model) => {
      const earlier = picked(model.commits, which)
      if (earlier === undefined) return (index) => index.workspaces(ORG)
      const lease = leasePick === null ? earlier.lease : (picked(model.leases, leasePick) ?? earlier.lease)
      return (index) => index.append(lease, earlier.commit)
    }),
)

const replace = fc.tuple(pick, picks, fc.nat(3), fc.nat(2), fc.nat(3)).map(
  ([leasePick, covered, base, lag, stale]) =>
    new IndexCommand(`replace ${JSON.stringify({ leasePick, covered, base, lag, stale })}`, async (model) => {
      const lease = picked(model.leases, leasePick)
      if (lease === undefined) return (index) => index.chunkIndex('ws-none')
      const pack = packNamed(lease, `repacked ${base}`)
      model.packs.push(pack.name)
      const { baseObjects } = await model.index.chunkIndex(lease.workspace)
      const replacement = {
        replaces: stale === 0 ? [`base-${base}`, 'base'] : baseObjects,
        baseObjects: [`base-${base}`, 'base'],
        newPacks: base === 0 ? [] : [pack],
        covered: pickedNames(model.packs, covered),
        gcSeen: Math.max(0, (await model.index.gcClock(lease.org)) - lag),
      }
      return (index) => index.replaceIndex(lease, replacement)
    }),
)

const gc = fc.tuple(fc.constantFrom('condemn', 'condemn', 'reprieve', 'forget'), org, picks, instant).map(
  ([move, ofOrg, which, at]) =>
    new IndexCommand(`${move} ${ofOrg} ${which}`, async (model) => {
      const condemned = (await model.index.packs(ofOrg, 'condemned')).map((pack) => pack.name)
      const names = pickedNames(move === 'forget' ? [...model.packs, ...condemned] : model.packs, which)
      if (move === 'condemn') return (index) => index.condemnPacks(ofOrg, names, at)
      if (move === 'reprieve') return (index) => index.reprievePacks(ofOrg, names)
      return (index) => index.forgetPacks(ofOrg, names)
    }),
)

const advance = fc
  .tuple(org, fc.nat(6))
  .map(
    ([ofOrg, clock]) =>
      new IndexCommand(
        `advance ${ofOrg} ${clock}`,
        async () => (index) => index.advanceBoundary(ofOrg, clock),
      ),
  )

const retention = fc.tuple(fc.boolean(), picks, instant).map(
  ([drop, which, at]) =>
    new IndexCommand(`${drop ? 'drop' : 'verify'} ${which}`, async (model) => {
      const ids = model.commits.map(({ commit }) => commit.id)
      const named = pickedNames(ids, which)
      if (drop) return (index) => index.dropGenerations(named)
      return (index) => index.markVerified(named[0] ?? 'none', at)
    }),
)

const compare = fc.constant(
  new IndexCommand('compare everything', async () => (index) => describeHistory(index, [ORG, OTHER_ORG])),
)

/** Sequences of every write of the port, with stale leases, parents, packs and clocks among them. */
export function indexCommands(): fc.Arbitrary<Iterable<fc.AsyncCommand<IndexModel, IndexesUnderTest>>> {
  const appends = [append, append, append, append, append]
  const all = [create, create, acquire, ...appends, resubmit, replace, gc, gc, advance, retention, compare]
  return fc.commands(all, { maxCommands: 60, size: 'max' })
}
