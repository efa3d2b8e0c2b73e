import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { type Clock, systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'
import { CommittedWorkspace, ORG, WORKSPACE } from '@holdfast/testkit/committed-workspace'
import { type AppendFault, FaultyGenerationIndex } from '@holdfast/testkit/faulty-generation-index'
import { FaultyObjectStore } from '@holdfast/testkit/faulty-object-store'
import { noise } from '@holdfast/testkit/noise'
import type { StoreFault, StoreOperation } from '@holdfast/testkit/store-faults'
import { MemoryObjectStore } from '../store/memory-object-store.ts'
import { Committer } from './committer.ts'

/** Time that passes at once. */
const HASTY: Clock = { ...systemClock, sleep: async () => {} }

const fails =
  (...codes: readonly FailureCode[]) =>
  (error: unknown) =>
    isFailure(error, ...codes)

/** A store whose n-th call of an operation, counted from `arm` on, meets a fault. */
class ArmedStore extends FaultyObjectStore {
  readonly armed: { operation: StoreOperation; left: number; fault: StoreFault }[]

  constructor() {
    const armed: ArmedStore['armed'] = []
    super(new MemoryObjectStore(systemClock), (operation) => {
      const due = armed.find((each) => each.operation === operation && --each.left === 0)
      return due?.fault
    })
    this.armed = armed
  }

  arm(operation: StoreOperation, n: number, fault: StoreFault): void {
    this.armed.splice(0, this.armed.length, { operation, left: n, fault })
  }

  /** True when the fault was met; from now on there is none. */
  disarm(): boolean {
    return (this.armed.splice(0)[0]?.left ?? 1) <= 0
  }
}

const FAULTS: readonly StoreFault[] = [
  { kind: 'fail', status: 503 },
  { kind: 'fail', status: 412 },
  { kind: 'full' },
  { kind: 'lose-response' },
  { kind: 'apply-later', operations: 0 },
  { kind: 'apply-later', operations: 3 },
]

/** Changes a little, so that one pack holds it, or so much that several threads fill several packs. */
function change(workspace: CommittedWorkspace, round: number, bytes: number): void {
  writeFileSync(workspace.path('small'), `round ${round}`)
  rmSync(workspace.path(`d${round - 1}`), { recursive: true, force: true })
  mkdirSync(workspace.path(`d${round}`))
  writeFileSync(workspace.path(`d${round}/file`), noise(round, bytes))
}

describe('a commit whose put fails', () => {
  for (const [how, bytes, faults] of [
    ['in one pack', 5000, FAULTS],
    ['in several packs', 17 << 20, FAULTS.slice(4, 5)],
  ] as const) {
    test(`leaves the head as it was, and the next one finds the same changes: ${how}, at every call`, async () => {
      const store = new ArmedStore()
      await using workspace = await CommittedWorkspace.open({ store })
      let round = 0
      change(workspace, round, bytes)
      let head = await workspace.commitNew()
      for (const fault of faults) {
        for (let n = 1; ; n++) {
          change(workspace, ++round, bytes)
          store.arm('put', n, fault)
          const outcome = await workspace.commit().catch((error: unknown) => error)
          if (!store.disarm()) break
          assert.ok(isFailure(outcome, 'store-unavailable', 'store-full'), String(outcome))
          assert.equal((await workspace.deps.index.workspace(WORKSPACE)).head, head.id)
          head = await workspace.commitNew()
          await store.applyDelayed()
        }
        await workspace.commit({ always: true })
        head = { ...head, ...(workspace.committer.head ?? {}) }
        await workspace.assertRestores(head.root)
      }
      assert.ok(round >= faults.length * 2)
    })
  }

  test('is found again by another process, which starts from the head', async () => {
    const store = new ArmedStore()
    await using workspace = await CommittedWorkspace.open({ store })
    change(workspace, 0, 5000)
    await workspace.commitNew()
    change(workspace, 1, 5000)
    store.arm('put', 1, { kind: 'apply-later', operations: 1 })
    await assert.rejects(workspace.commit(), fails('store-unavailable'))
    store.disarm()
    await workspace.reopen()
    await workspace.assertRestores((await workspace.commitNew()).root)
  })
})

describe('reading that fails', () => {
  test('fails a reopened commit by name, and the next one succeeds', async () => {
    const store = new ArmedStore()
    await using workspace = await CommittedWorkspace.open({ store })
    change(workspace, 0, 5000)
    await workspace.commitNew()
    const [pack] = await workspace.deps.index.packs(ORG, 'live')
    const tail = { kind: 'flip-bit', bit: ((pack?.bytes ?? 0) - 60) * 8 } as const
    for (const fault of [{ kind: 'fail' }, { kind: 'truncate', bytes: 60 }, tail] as const) {
      await workspace.reopen()
      store.arm('get', 1, fault)
      await assert.rejects(workspace.commit(), fails('store-unavailable', 'object-corrupt', 'foreign-format'))
      assert.ok(store.disarm())
      await workspace.commit()
    }
    await workspace.assertRestores(workspace.committer.head?.root ?? '')
  })

  test('is tried again by the same reader: a chunk that could not be fetched once is fetched the next time', async () => {
    const store = new ArmedStore()
    await using workspace = await CommittedWorkspace.open({ store })
    change(workspace, 0, 5000)
    const { root } = await workspace.commitNew()
    const chunks = await workspace.chunks()
    const id = Buffer.from(root, 'hex').toString('latin1')
    store.arm('get', 1, { kind: 'fail' })
    await assert.rejects(chunks.read(id), fails('store-unavailable'))
    store.disarm()
    assert.ok((await chunks.read(id)).length > 0)
  })
})

describe('an append', () => {
  async function withFaults(
    faults: readonly AppendFault[],
    use: (workspace: CommittedWorkspace, index: FaultyGenerationIndex) => Promise<void>,
  ): Promise<void> {
    const index = new FaultyGenerationIndex()
    await using workspace = await CommittedWorkspace.open({ index, clock: HASTY })
    change(workspace, 0, 5000)
    await workspace.commitNew()
    change(workspace, 1, 5000)
    index.appends.length = 0
    index.faults.push(...faults)
    await use(workspace, index)
  }

  for (const faults of [['after'], ['before'], ['before', 'after'], ['before', 'before', 'after']] as const) {
    test(`whose answer was lost (${faults.join(', ')}) is submitted again, unchanged, and counts once`, async () => {
      await withFaults(faults, async (workspace, index) => {
        const { id, root } = await workspace.commitNew()
        assert.equal(new Set(index.appends.map((commit) => JSON.stringify(commit))).size, 1)
        assert.equal((await index.history(WORKSPACE, { limit: 10 })).length, 2)
        assert.equal((await index.workspace(WORKSPACE)).head, id)
        await workspace.assertRestores(root)
      })
    })
  }

  for (const last of ['before', 'after'] as const) {
    test(`that is never answered is unknown, and the next commit settles it (${last})`, async () => {
      const lost: AppendFault[] = ['before', 'before', 'before', last]
      await withFaults(lost, async (workspace, index) => {
        await assert.rejects(workspace.commit(), fails('outcome-unknown'))
        const token = index.appends[0]?.id
        change(workspace, 2, 5000)
        const next = await workspace.commitNew()
        const history = await index.history(WORKSPACE, { limit: 10 })
        assert.deepEqual(
          history.map(({ id }) => id).slice(0, 2),
          [next.id, token],
          'both generations, each once',
        )
        await workspace.assertRestores(next.root)
      })
    })
  }

  test('under a lease that was lost is refused, and nothing of it becomes visible', async () => {
    await withFaults([], async (workspace, index) => {
      const head = (await index.workspace(WORKSPACE)).head
      index.onAppend = async () => {
        index.onAppend = () => {}
        await index.acquire(WORKSPACE)
      }
      await assert.rejects(workspace.commit(), fails('lease-lost'))
      await assert.rejects(workspace.commit(), fails('lease-lost'))
      assert.equal((await index.workspace(WORKSPACE)).head, head)
      await workspace.reopen()
      await workspace.assertRestores((await workspace.commitNew()).root)
    })
  })

  test('on a head that moved is refused: the other writer’s generation stays', async () => {
    await withFaults([], async (workspace, index) => {
      await using other = await CommittedWorkspace.open({ store: workspace.deps.store })
      const mine = workspace.committer
      await workspace.reopen()
      const theirs = await workspace.commitNew()
      workspace.committer = mine
      await assert.rejects(workspace.commit({ always: true }), fails('lease-lost', 'head-moved'))
      assert.equal((await index.workspace(WORKSPACE)).head, theirs.id)
      assert.ok(other.source)
    })
  })

  test('that stalled past a collection of garbage is refused, and the next commit uploads again', async () => {
    await withFaults([], async (workspace, index) => {
      const packs = await index.packs(ORG, 'live')
      index.onAppend = async () => {
        index.onAppend = () => {}
        const clock = await index.condemnPacks(ORG, [], 0)
        await index.advanceBoundary(ORG, clock)
      }
      await assert.rejects(workspace.commit(), fails('gc-expired'))
      const { root } = await workspace.commitNew()
      await workspace.assertRestores(root)
      assert.ok(packs.length > 0)
    })
  })
})

describe('a prepared commit', () => {
  const image = (workspace: CommittedWorkspace) =>
    ({ path: workspace.source, changes: { kind: 'unknown' }, consistency: 'cut' }) as const

  test('has little left to do, and holds what changed after it was prepared', async () => {
    await using workspace = await CommittedWorkspace.open()
    change(workspace, 0, 5000)
    await workspace.commitNew()
    writeFileSync(workspace.path('large'), noise(50, 3 << 20))
    assert.equal(await workspace.committer.prepare(image(workspace)), 'stored')
    writeFileSync(workspace.path('small'), 'changed after it was prepared')
    const outcome = await workspace.commitNew()
    assert.equal(outcome.newObjects, 2)
    await workspace.assertRestores(outcome.root)
    await workspace.reopen()
    await workspace.assertRestores(outcome.root)
  })

  test('whose put failed is prepared again', async () => {
    const store = new ArmedStore()
    await using workspace = await CommittedWorkspace.open({ store })
    change(workspace, 0, 5000)
    await workspace.commitNew()
    writeFileSync(workspace.path('large'), noise(51, 3 << 20))
    store.arm('put', 1, { kind: 'fail' })
    await assert.rejects(workspace.committer.prepare(image(workspace)), fails('store-unavailable'))
    store.disarm()
    const { root } = await workspace.commitNew()
    await workspace.assertRestores(root)
  })

  test('is given up when packs that it relies on were condemned meanwhile', async () => {
    await using workspace = await CommittedWorkspace.open()
    const { index } = workspace.deps
    writeFileSync(workspace.path('kept'), noise(52, 1 << 20))
    await workspace.commitNew()
    rmSync(workspace.path('kept'))
    writeFileSync(workspace.path('other'), 'x')
    await workspace.commitNew()
    const [first] = await index.packs(ORG, 'live')
    writeFileSync(workspace.path('kept'), noise(52, 1 << 20))
    writeFileSync(workspace.path('large'), noise(53, 3 << 20))
    await workspace.committer.prepare(image(workspace))
    const clock = await index.condemnPacks(ORG, [first?.name ?? ''], 0)
    await index.advanceBoundary(ORG, clock)
    await assert.rejects(workspace.commit(), fails('gc-expired'))
    await workspace.assertRestores((await workspace.commitNew()).root)
  })
})

describe('a sealed store', () => {
  test('holds nothing in the clear, and gives it back to its key alone', async () => {
    const store = new MemoryObjectStore(systemClock)
    await using workspace = await CommittedWorkspace.open({ store, sealKey: Buffer.alloc(32, 7) })
    writeFileSync(workspace.path('secret-name.txt'), 'the secret itself '.repeat(10))
    change(workspace, 0, 5000)
    const { root } = await workspace.commitNew()
    await workspace.assertRestores(root)
    for await (const { key } of store.list('')) {
      const bytes = Buffer.from(await store.get(key))
      assert.ok(!bytes.includes('secret'), key)
    }
    const { index } = workspace.deps
    for (const sealKey of [null, Buffer.alloc(32, 8)]) {
      const lease = await index.acquire(WORKSPACE)
      const stranger = await Committer.open({ ...workspace.deps, sealKey }, lease)
      const image = { path: workspace.source, changes: { kind: 'unknown' }, consistency: 'cut' } as const
      await assert.rejects(stranger.commit(image, { cause: 'sync', message: '' }), fails('wrong-key'))
    }
  })
})
