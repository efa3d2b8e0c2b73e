import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, utimesSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { systemClock } from '@holdfast/base/clock'
import { commitDirectory } from '@holdfast/generations/directory/commit-directory'
import type { DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import { packKey } from '@holdfast/generations/format/names'
import type { GenerationRow } from '@holdfast/generations/index/generation-index'
import { compactWorkspace } from '@holdfast/generations/maintenance/compact-workspace'
import { verifyStore } from '@holdfast/generations/maintenance/verify-store'
import { type DurableHome, withDurableDirectory } from './durable-home.ts'
import { MemoryFolder } from './memory-folder.ts'
import { maintenanceDeps, type Operation, operate } from './operations.ts'
import { assertVersion, writeVersion } from './tree-versions.ts'

const LONG = process.env.HOLDFAST_LONG !== undefined
const VERSIONS = 6
/** Dropped from the history, so that compaction and GC have something to do. */
const DROPPED = [2, 4]
const HISTORY_MAX = 100
const HOUR_MS = 60 * 60_000
/** Older than anything that may still be on its way. */
const LONG_AGO_MS = 48 * HOUR_MS

/**
 * A directory with a history that can be put back into its first state again and again, and the model of what it must
 * hold: which version of the tree each acknowledged generation is.
 */
export class TriedHome implements Disposable {
  readonly home: DurableHome
  /** Where a restore goes. */
  readonly target: string
  #looks = 0
  readonly #memory = new MemoryFolder()
  /** Versions by the ids of the generations that retention keeps. */
  #model: ReadonlyMap<string, number> = new Map()

  private constructor() {
    const live = join(this.#memory.path, 'live')
    this.home = { root: join(live, 'root'), directory: join(live, 'files') }
    this.target = join(live, 'out', 'restored')
  }

  /** A place beside everything that is looked at. */
  get scratch(): string {
    return this.#memory.path
  }

  /** Whether a path is where a restore goes, or beside it. */
  isOut(path: string): boolean {
    return path.startsWith(dirname(this.target))
  }

  /** The history before the operation; for a collection of garbage, with all that such a one can meet. */
  static async make(operation: Operation): Promise<TriedHome> {
    const tried = new TriedHome()
    mkdirSync(tried.home.directory, { recursive: true })
    await withDurableDirectory(tried.home, async (durable) => {
      await tried.#commitVersions(durable)
      if (operation === 'collect') await plantGarbage(durable)
    })
    ageStore(tried.home)
    writeVersion(tried.home.directory, VERSIONS + 1)
    cpSync(join(tried.#memory.path, 'live'), join(tried.#memory.path, 'first'), {
      recursive: true,
      preserveTimestamps: true,
    })
    return tried
  }

  /** Puts everything back into the first state. */
  reset(): void {
    rmSync(join(this.#memory.path, 'live'), { recursive: true })
    cpSync(join(this.#memory.path, 'first'), join(this.#memory.path, 'live'), {
      recursive: true,
      preserveTimestamps: true,
    })
  }

  /**
   * Fails unless all that was acknowledged is there, nothing is visible by halves, the history goes on, and leftovers
   * are collected.
   */
  async assertSound(operation: Operation): Promise<void> {
    await withDurableDirectory(this.home, async (durable) => {
      this.#assertTarget()
      await this.#assertHistory(durable, operation === 'commit')
      await operate(durable, 'commit', this.target)
      await this.#assertRestorable(durable)
      await this.#assertVerified(durable)
    })
    ageStore(this.home)
    await withDurableDirectory(this.home, async (durable) => {
      await operate(durable, 'compact', this.target)
      await operate(durable, 'collect', this.target)
      await operate(durable, 'collect', this.target)
      const { unreferenced } = await this.#assertVerified(durable)
      assert.deepEqual(unreferenced, [])
      assert.deepEqual(await durable.index.packs(durable.config.org, 'condemned'), [])
      assert.deepEqual(readdirSync(join(this.home.root, 'store', 'tmp')), [])
    })
  }

  async #commitVersions(durable: DurableDirectory): Promise<void> {
    const ids: string[] = []
    const model = new Map<string, number>()
    for (let version = 1; version <= VERSIONS; version++) {
      writeVersion(this.home.directory, version)
      const wish = { kind: 'checkpoint', message: '' } as const
      const { generation: id } = await commitDirectory(durable.deps, { path: this.home.directory, wish })
      if (DROPPED.includes(version)) ids.push(id)
      else model.set(id, version)
    }
    await durable.index.dropGenerations(ids)
    this.#model = model
  }

  /** A restore that was killed shows nothing, or all. */
  #assertTarget(): void {
    if (existsSync(this.target)) assertVersion(this.target, VERSIONS)
  }

  async #assertHistory(durable: DurableDirectory, mayBeLonger: boolean): Promise<void> {
    const rows = await retainedRows(durable)
    const unknown = rows.filter(({ id }) => !this.#model.has(id))
    assert.equal(rows.length - unknown.length, this.#model.size, 'an acknowledged generation is lost')
    assert(unknown.length <= (mayBeLonger ? 1 : 0), 'a generation that nobody committed')
    for (const { id } of unknown) assert.equal(id, rows[0]?.id)
  }

  /**
   * Restores one generation, another at each look, or all of them where there is time; to the path where the operation
   * restores to, beside which nothing else is left then.
   */
  async #assertRestorable(durable: DurableDirectory): Promise<void> {
    this.#looks += 1
    const rows = await retainedRows(durable)
    for (const [at, generation] of rows.entries()) {
      if (!LONG && at !== this.#looks % rows.length) continue
      rmSync(this.target, { recursive: true, force: true })
      await durable.restore({ generation, path: this.target })
      assertVersion(this.target, this.#model.get(generation.id) ?? VERSIONS + 1)
      assert.deepEqual(readdirSync(dirname(this.target)), [basename(this.target)])
    }
  }

  async #assertVerified(durable: DurableDirectory) {
    const report = await verifyStore(maintenanceDeps(durable), { org: durable.config.org })
    assert.deepEqual(report.damaged, [])
    return report
  }

  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]()
  }
}

async function retainedRows(durable: DurableDirectory): Promise<readonly GenerationRow[]> {
  return (await durable.history(HISTORY_MAX)).filter((row) => row.retained)
}

/** Merged packs; one that is needed and one that is not, condemned long ago; and objects that nothing names. */
async function plantGarbage(durable: DurableDirectory): Promise<void> {
  const { index, store, config } = durable
  const old = (await index.packs(config.org, 'live')).map((pack) => pack.name)
  using held = await durable.hold()
  await compactWorkspace(maintenanceDeps(durable), { lease: held.lease, always: true })
  const merged = (await index.packs(config.org, 'live'))
    .map(({ name }) => name)
    .find((name) => !old.includes(name))
  const [garbage] = old
  assert(merged && garbage)
  await index.condemnPacks(config.org, [merged, garbage], systemClock.wallMs() - HOUR_MS)
  await store.put(packKey(`${config.org}/${config.workspace}/1/${'a'.repeat(32)}`), [
    Buffer.from('an orphan'),
  ])
  await store.put(`index/${config.org}/${'b'.repeat(32)}`, [Buffer.from('an index object')])
}

/** Makes every object one that was stored long ago. */
function ageStore({ root }: DurableHome): void {
  const store = join(root, 'store')
  const at = (systemClock.wallMs() - LONG_AGO_MS) / 1000
  for (const entry of readdirSync(store, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) utimesSync(join(entry.parentPath, entry.name), at, at)
}
