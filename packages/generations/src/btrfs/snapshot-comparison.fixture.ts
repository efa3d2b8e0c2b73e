import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { type ChangeList, changedRanges, type FileChange, previousPathOf } from './change-list.ts'
import { latin1Path } from './snapshot-workload.fixture.ts'

/** The inode number by which btrfs shows the place of a nested subvolume inside a snapshot. */
const NESTED_SUBVOLUME_INO = 2n

interface Entry {
  readonly absolute: Buffer
  readonly stat: fs.BigIntStats
  /** Of a directory: its names, sorted. */
  readonly names: readonly string[]
}

type Snapshot = ReadonlyMap<string, Entry>

/** Every entry of a snapshot by its path, the root being ''. */
function readSnapshot(top: string): Snapshot {
  const entries = new Map<string, Entry>()
  const open = ['']
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const absolute = latin1Path(path === '' ? top : `${top}/${path}`)
    const stat = fs.lstatSync(absolute, { bigint: true })
    const names = stat.isDirectory()
      ? fs.readdirSync(absolute, { encoding: 'buffer' }).map((name) => name.toString('latin1'))
      : []
    entries.set(path, { absolute, stat, names: names.sort() })
    open.push(...names.map((name) => (path === '' ? name : `${path}/${name}`)))
  }
  return entries
}

/** Of each path whose file has several names: all of them. */
export function linkedNames(top: string): ReadonlyMap<string, readonly string[]> {
  const files = [...readSnapshot(top)].filter(
    ([, entry]) => !entry.stat.isDirectory() && entry.stat.nlink > 1n,
  )
  const groups = Map.groupBy(files, ([, entry]) => entry.stat.ino)
  return new Map(
    files.map(([path, entry]) => [path, (groups.get(entry.stat.ino) ?? []).map(([name]) => name)]),
  )
}

export interface ComparisonCounts {
  patched: number
  identical: number
  cleanDirectories: number
  movedDirectories: number
  linked: number
}

/** Asserts every promise of `changes` about two snapshots by reading all of both. */
export class SnapshotComparison {
  readonly #before: Snapshot
  readonly #after: Snapshot
  readonly #changes: ChangeList
  readonly #counts: ComparisonCounts

  constructor(before: string, after: string, changes: ChangeList, counts: ComparisonCounts) {
    this.#before = readSnapshot(before)
    this.#after = readSnapshot(after)
    this.#changes = changes
    this.#counts = counts
  }

  assertTrue(): void {
    for (const [path, entry] of this.#after) {
      const previousPath = previousPathOf(this.#changes, path)
      if (entry.stat.ino === NESTED_SUBVOLUME_INO) continue
      assert.equal(this.#changes.created.has(path), previousPath === undefined, `created: ${path}`)
      if (previousPath === undefined) this.#assertCreated(path, entry)
      else this.#assertContinues(path, entry, this.#expect(this.#before, previousPath))
    }
    this.#assertListedExist()
    this.#assertRemovals()
  }

  #assertCreated(path: string, entry: Entry): void {
    if (!entry.stat.isFile()) return
    const change = this.#changes.files.get(path)
    assert.ok(change?.created, `a created file is listed: ${path}`)
    this.#assertPatched(path, Buffer.alloc(0), change)
  }

  #assertContinues(path: string, entry: Entry, previous: Entry): void {
    assert.equal(entry.stat.ino, previous.stat.ino, `same inode: ${path}`)
    assert.equal(entry.stat.mode & 0o170000n, previous.stat.mode & 0o170000n, `same kind: ${path}`)
    if (entry.stat.isDirectory()) this.#assertDirectory(path, entry, previous)
    else if (entry.stat.isSymbolicLink()) {
      assert.ok(
        fs.readlinkSync(entry.absolute, 'buffer').equals(fs.readlinkSync(previous.absolute, 'buffer')),
      )
    } else if (entry.stat.isFile()) this.#assertFile(path, entry, previous)
  }

  #assertFile(path: string, entry: Entry, previous: Entry): void {
    const change = this.#changes.files.get(path)
    if (change !== undefined) {
      assert.equal(change.created, false)
      if (entry.stat.nlink > 1n && change.ranges.length > 0) this.#counts.linked++
      this.#assertPatched(path, fs.readFileSync(previous.absolute), change)
      return
    }
    this.#counts.identical++
    assertSameAttributes(path, entry, previous)
    assert.ok(
      fs.readFileSync(entry.absolute).equals(fs.readFileSync(previous.absolute)),
      `identical: ${path}`,
    )
  }

  #assertPatched(path: string, old: Buffer, change: FileChange): void {
    const bytes = fs.readFileSync(this.#expect(this.#after, path).absolute)
    const patched = Buffer.alloc(bytes.length)
    old.copy(patched)
    const sizes = { oldSizeBytes: old.length, newSizeBytes: bytes.length }
    for (const { start, end } of changedRanges(change, sizes)) bytes.copy(patched, start, start, end)
    assert.ok(
      patched.equals(bytes),
      `patched: ${path} ${JSON.stringify(change)} ${old.length} ${bytes.length}`,
    )
    if (change.attributesOnly) assert.ok(old.equals(bytes), `attributes only: ${path}`)
    this.#counts.patched++
  }

  #assertDirectory(path: string, entry: Entry, previous: Entry): void {
    if (this.#changes.movedDirectories.has(path)) this.#counts.movedDirectories++
    if (this.#changes.dirtyDirectories.has(path)) return
    this.#counts.cleanDirectories++
    assertSameAttributes(path, entry, previous)
    assert.deepEqual(entry.names, previous.names, `entries: ${path}`)
    for (const name of entry.names) {
      const child = path === '' ? name : `${path}/${name}`
      assert.equal(this.#changes.files.has(child), false, `a listed file has a dirty parent: ${child}`)
      assert.equal(this.#changes.movedDirectories.has(child), false)
    }
  }

  #assertListedExist(): void {
    const { files, dirtyDirectories, movedDirectories, created } = this.#changes
    for (const path of [...movedDirectories.keys(), ...created]) this.#expect(this.#after, path)
    for (const path of [...files.keys(), ...dirtyDirectories]) {
      if (!/^o\d+-\d+-\d+$/.test(path)) this.#expect(this.#after, path)
    }
  }

  #assertRemovals(): void {
    for (const path of this.#changes.removed) {
      assert.ok(this.#before.has(path), `removed and was there: ${path}`)
      const now = this.#after.get(path)
      assert.ok(now === undefined || now.stat.ino === NESTED_SUBVOLUME_INO, `removed: ${path}`)
    }
  }

  #expect(snapshot: Snapshot, path: string): Entry {
    const entry = snapshot.get(path)
    assert.ok(entry !== undefined, `is there: ${path}`)
    return entry
  }
}

function assertSameAttributes(path: string, entry: Entry, previous: Entry): void {
  for (const name of ['mode', 'uid', 'gid', 'size', 'mtimeNs'] as const) {
    assert.equal(entry.stat[name], previous.stat[name], `${name}: ${path}`)
  }
}
