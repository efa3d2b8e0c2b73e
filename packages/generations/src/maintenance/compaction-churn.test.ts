import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { CountingStore } from '@holdfast/testkit/counting-store'
import { seededNumbers, seededRandomness } from '@holdfast/testkit/seeded-numbers'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import { Holdfs } from '../holdfs/holdfs.ts'
import { MemoryGenerationIndex } from '../index/memory-generation-index.ts'
import { RestoreThreads } from '../restore/restore-threads.ts'
import { restoreTree } from '../restore/restore-tree.ts'
import { MemoryObjectStore } from '../store/memory-object-store.ts'
import { ChunkGraph } from './chunk-graph.ts'
import { collectGarbage } from './collect-garbage.ts'
import { compactWorkspace } from './compact-workspace.ts'
import { openReadable } from './mark-workspace.ts'
import { SyntheticHistory } from './synthetic-history.fixture.ts'
import { thinHistory } from './thin-history.ts'
import { hastyClock, ORG } from './world.fixture.ts'

const COMMITS = process.env.HOLDFAST_LONG ? 10_000 : 2_000
const DIRECTORIES = 25
const NAMES = 12

/** One commit a second under compaction, retention and garbage collection, as a host would run them. */
class Churn {
  readonly store = new CountingStore(new MemoryObjectStore(systemClock))
  readonly index = new MemoryGenerationIndex()
  readonly deps = {
    store: this.store,
    index: this.index,
    clock: { ...hastyClock, wallMs: () => this.#nowMs },
    randomness: seededRandomness(7),
    coding: { seal: null },
  }
  readonly next = seededNumbers(7)
  readonly #graph = new ChunkGraph()
  #nowMs = 1_700_000_000_000

  async run(): Promise<SyntheticHistory> {
    await this.index.createWorkspace({ id: 'ws-1', org: ORG })
    const lease = await this.index.acquire('ws-1')
    const history = new SyntheticHistory(this.deps, lease)
    for (let at = 0; at < DIRECTORIES * NAMES; at++) this.#write(history, at)
    for (let made = 0; made < COMMITS; made++) {
      this.#nowMs += 1000
      for (let edits = 0; edits < 3; edits++)
        this.#write(history, Math.floor(this.next() * DIRECTORIES * NAMES))
      await history.commit(this.deps.clock)
      await compactWorkspace(this.deps, { lease, graph: this.#graph })
      if (made % 500 !== 499) continue
      await thinHistory(this.deps, lease, { wallMs: this.#nowMs })
      await collectGarbage(this.deps, { org: ORG, graceMs: 0, graph: this.#graph })
    }
    await thinHistory(this.deps, lease, { wallMs: this.#nowMs, policy: [{ fromMs: 0, everyMs: Infinity }] })
    return history
  }

  /** Compacts to the end and collects what is left over. */
  async settle(): Promise<void> {
    const lease = await this.index.acquire('ws-1')
    for (let more = true; more; ) {
      const outcome = await compactWorkspace(this.deps, { lease, graph: this.#graph, always: true })
      more = outcome.kind === 'compacted' && outcome.more
      await collectGarbage(this.deps, { org: ORG, graceMs: 0, graph: this.#graph })
    }
    await compactWorkspace(this.deps, { lease, graph: this.#graph, always: true })
    await collectGarbage(this.deps, { org: ORG, graceMs: 0, graph: this.#graph })
  }

  #write(history: SyntheticHistory, at: number): void {
    const bytes = Buffer.alloc(500 + Math.floor(this.next() * 1500))
    for (let word = 0; word + 4 <= bytes.length; word += 4) bytes.writeUInt32LE(this.next() * 2 ** 32, word)
    history.write(`d${at % DIRECTORIES}`, `f${Math.floor(at / DIRECTORIES)}`, bytes)
  }
}

/** Restores the head as a machine that knows nothing would, and compares every file; returns the reads it took. */
async function restoreHead(churn: Churn, history: SyntheticHistory): Promise<number> {
  const path = mkdtempSync(join(tmpdir(), 'holdfast-churn-'))
  await using holdfs = await Holdfs.start()
  try {
    const before = churn.store.gets
    const { head } = await churn.index.workspace('ws-1')
    const row = await churn.index.generation(head ?? '')
    const { reader } = await openReadable(churn.deps, { org: ORG, workspace: 'ws-1' })
    const threads = new RestoreThreads(1, null)
    mkdirSync(join(path, 'out'))
    const deps = { ...churn.deps, chunks: reader, holdfs, threads, setOwners: true }
    await restoreTree(deps, { root: chunkIdFromHex(row.root), path: join(path, 'out') })
    for (const [name, bytes] of history.files) assert.ok(readFileSync(join(path, 'out', name)).equals(bytes))
    return churn.store.gets - before
  } finally {
    rmSync(path, { recursive: true })
  }
}

test(`after ${COMMITS} commits of churn a restore takes at most 200 reads, and little more is stored than is live`, async (t) => {
  const churn = new Churn()
  const history = await churn.run()
  const gets = await restoreHead(churn, history)
  assert.ok(gets <= 200, `${gets} reads`)
  await churn.settle()
  const settled = await restoreHead(churn, history)
  assert.ok(settled <= 20, `${settled} reads`)
  let stored = 0
  for await (const object of churn.store.list('')) stored += object.bytes
  const live = [...history.files.values()].reduce((sum, bytes) => sum + bytes.length, 0)
  t.diagnostic(`${gets} reads, ${settled} when settled; ${stored} bytes stored for ${live}`)
  assert.ok(stored <= 1.5 * live, `${stored} bytes for ${live}`)
})
