import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import {
  type BigIntStats,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  type ByteString,
  fromText,
  joinPath,
  toFsPath,
  toText,
} from '@holdfast/generations/format/byte-string'
import type { Holdfs } from '@holdfast/generations/holdfs/holdfs'

/** All that a restore has to bring back of one name, in plain values. */
export interface NameFacts {
  readonly kind: 'file' | 'directory' | 'symlink' | 'database'
  readonly mode: string
  readonly owner: string
  readonly mtimeNs: bigint
  readonly xattrs: Readonly<Record<string, string>>
  /** The size and SHA-256 of a file, the bytes of a link. */
  readonly content: string
  /** The first of the names that are this one file; absent for a file with one name. */
  readonly link?: string
}

const MAGIC = Buffer.from('SQLite format 3\0', 'latin1')
/** Files above this are sparse giants: they are compared by their data ranges alone. */
const READ_BYTES_MAX = 256 << 20

/** The facts of every name in a directory, by path as text; fifos, sockets and what belongs to a database are left out. */
async function readTreeFacts(holdfs: Holdfs, root: string): Promise<Map<string, NameFacts>> {
  return new TreeFactsReader(holdfs, fromText(root)).read()
}

/** Fails unless two directories hold the same: content, mode, owner, mtime, attributes, links, databases. */
export async function assertSameTree(holdfs: Holdfs, actual: string, expected: string): Promise<void> {
  const [found, wanted] = [await readTreeFacts(holdfs, actual), await readTreeFacts(holdfs, expected)]
  assert.deepEqual([...found.keys()], [...wanted.keys()])
  for (const [path, facts] of wanted) assert.deepEqual(found.get(path), facts, path)
}

class TreeFactsReader {
  readonly #holdfs: Holdfs
  readonly #root: ByteString
  readonly #facts = new Map<string, NameFacts>()
  readonly #links = new Map<string, string>()

  constructor(holdfs: Holdfs, root: ByteString) {
    this.#holdfs = holdfs
    this.#root = root
  }

  async read(): Promise<Map<string, NameFacts>> {
    const top = lstatSync(toFsPath(this.#root), { bigint: true })
    const xattrs = await this.#xattrs('', ['.'])
    this.#facts.set('.', { kind: 'directory', ...attributesOf(top, xattrs.get('.') ?? {}), content: '' })
    await this.#directory('')
    return this.#facts
  }

  async #directory(directory: ByteString): Promise<void> {
    const names = readdirSync(toFsPath(this.#full(directory)), 'latin1').sort()
    const xattrs = await this.#xattrs(directory, names)
    for (const name of names) {
      const path = joinPath(directory, name)
      if (isCompanion(this.#full(path))) continue
      const stats = lstatSync(toFsPath(this.#full(path)), { bigint: true })
      const facts = await this.#name(path, stats, xattrs.get(name) ?? {})
      if (facts) this.#facts.set(toText(path), facts)
      if (facts?.kind === 'directory') await this.#directory(path)
    }
  }

  async #name(
    path: ByteString,
    stats: BigIntStats,
    xattrs: Record<string, string>,
  ): Promise<NameFacts | undefined> {
    const attributes = attributesOf(stats, xattrs)
    const full = toFsPath(this.#full(path))
    if (stats.isDirectory()) return { kind: 'directory', ...attributes, content: '' }
    if (stats.isSymbolicLink())
      return { kind: 'symlink', ...attributes, content: readlinkSync(full, 'latin1') }
    if (!stats.isFile()) return undefined
    if (stats.size > READ_BYTES_MAX) return { kind: 'file', ...attributes, content: await this.#ranges(path) }
    const bytes = readFileSync(full)
    const kind = bytes.subarray(0, MAGIC.length).equals(MAGIC) ? 'database' : 'file'
    const content = kind === 'database' ? databaseContent(this.#full(path)) : contentOf(bytes)
    return { kind, ...attributes, content, ...this.#link(path, stats) }
  }

  #link(path: ByteString, stats: BigIntStats): { link?: string } {
    if (stats.nlink === 1n) return {}
    const key = `${stats.dev}:${stats.ino}`
    const first = this.#links.get(key) ?? toText(path)
    this.#links.set(key, first)
    return { link: first }
  }

  async #ranges(path: ByteString): Promise<string> {
    const { sizeBytes, ranges } = await this.#holdfs.dataRanges(this.#full(path))
    return `${sizeBytes}: ${ranges.map(({ offset, length }) => `${offset}+${length}`).join(' ')}`
  }

  async #xattrs(
    directory: ByteString,
    names: readonly ByteString[],
  ): Promise<Map<ByteString, Record<string, string>>> {
    const found = await this.#holdfs.readXattrs(this.#full(directory), names)
    return new Map(
      names.map((name, index) => {
        const answer = found[index]
        const xattrs = answer && 'xattrs' in answer ? answer.xattrs : []
        const sorted = [...xattrs].sort((a, b) => (a.name < b.name ? -1 : 1))
        return [name, Object.fromEntries(sorted.map((xattr) => [xattr.name, xattr.value]))]
      }),
    )
  }

  #full(path: ByteString): ByteString {
    return path === '' ? this.#root : `${this.#root}/${path}`
  }
}

function attributesOf(stats: BigIntStats, xattrs: Record<string, string>) {
  return {
    mode: Number(stats.mode & 0o7777n).toString(8),
    owner: `${stats.uid}:${stats.gid}`,
    mtimeNs: stats.mtimeNs,
    xattrs,
  }
}

function contentOf(bytes: Buffer): string {
  return `${bytes.length} bytes ${hash('sha256', bytes)}`
}

/** True for a WAL, its index or nothing but a part of the database beside it. */
function isCompanion(path: ByteString): boolean {
  if (!path.endsWith('-wal') && !path.endsWith('-shm')) return false
  const database = toFsPath(path.slice(0, -4))
  return existsSync(database) && lstatSync(database).isFile() && startsLikeDatabase(readFileSync(database))
}

function startsLikeDatabase(bytes: Buffer): boolean {
  return bytes.subarray(0, MAGIC.length).equals(MAGIC)
}

/** The bytes of a database once SQLite itself has brought everything into the main file. */
function databaseContent(path: ByteString): string {
  const copies = mkdtempSync(join(tmpdir(), 'holdfast-facts-'))
  try {
    const copy = join(copies, 'a.db')
    for (const suffix of ['', '-wal', '-journal']) {
      const part = toFsPath(`${path}${suffix}`)
      if (existsSync(part)) copyFileSync(part, `${copy}${suffix}`)
    }
    const database = new DatabaseSync(copy)
    const check = database.prepare('PRAGMA integrity_check').get()
    assert.deepEqual({ ...check }, { integrity_check: 'ok' }, toText(path))
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    database.close()
    return contentOf(readFileSync(copy))
  } finally {
    rmSync(copies, { recursive: true, force: true })
  }
}
