import {
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { type ByteString, fromText, joinPath, toFsPath } from '@holdfast/generations/format/byte-string'
import type { Xattr } from '@holdfast/generations/format/entry'
import type { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import { seededNumbers } from './seeded-numbers.ts'

export interface RandomTreeOptions {
  readonly seed: number
  readonly names: number
  /** False leaves out what only root may do: owners, modes without permission. */
  readonly isRoot?: boolean
}

const FIRST_MTIME_NS = 1_600_000_000_000_000_000n
const MODES = [0o644, 0o600, 0o755, 0o4755, 0o2755, 0o1777, 0o444, 0o000]

/** Fills an empty directory with names of every kind, the same for the same seed. */
export async function makeRandomTree(
  holdfs: Holdfs,
  root: string,
  options: RandomTreeOptions,
): Promise<void> {
  const tree = new RandomTree(holdfs, root, options)
  for (let made = 0; made < options.names; made++) tree.addName()
  await tree.setAttributes(tree.all())
}

/** Changes a tree at random, `changes` times: writes, removals, renames, new names, other kinds. */
export async function changeRandomTree(
  holdfs: Holdfs,
  root: string,
  options: RandomTreeOptions & { readonly changes: number },
): Promise<void> {
  const tree = new RandomTree(holdfs, root, options)
  for (let made = 0; made < options.changes; made++) tree.change()
  await tree.setAttributes(tree.all().filter(() => tree.chance(0.2)))
}

class RandomTree {
  readonly #holdfs: Holdfs
  readonly #root: ByteString
  readonly #isRoot: boolean
  readonly #next: () => number

  constructor(holdfs: Holdfs, root: string, { seed, isRoot = true }: RandomTreeOptions) {
    this.#holdfs = holdfs
    this.#root = fromText(root)
    this.#isRoot = isRoot
    this.#next = seededNumbers(seed)
  }

  chance(share: number): boolean {
    return this.#next() < share
  }

  /** Every path below the root, directories before what is in them. */
  all(directory: ByteString = ''): ByteString[] {
    const paths: ByteString[] = []
    for (const name of readdirSync(this.#full(directory), 'latin1').sort()) {
      const path = joinPath(directory, name)
      paths.push(path)
      if (lstatSync(this.#full(path)).isDirectory()) paths.push(...this.all(path))
    }
    return paths
  }

  addName(): void {
    const path = joinPath(this.#anyDirectory(), this.#name())
    if (lstatSync(this.#full(path), { throwIfNoEntry: false })) return
    const draw = this.#next()
    if (draw < 0.15) mkdirSync(this.#full(path))
    else if (draw < 0.23) symlinkSync(toFsPath(this.#target()), this.#full(path))
    else if (draw < 0.31) this.#link(path)
    else if (draw < 0.36) this.#sparse(path)
    else writeFileSync(this.#full(path), this.#bytes())
  }

  change(): void {
    const path = this.#pick(this.all())
    const draw = this.#next()
    if (path === undefined || draw < 0.3) this.addName()
    else if (draw < 0.5) rmSync(this.#full(path), { recursive: true, force: true })
    else if (draw < 0.65) this.#rename(path)
    else if (draw < 0.75) this.#replace(path)
    else this.#write(path)
  }

  async setAttributes(paths: readonly ByteString[]): Promise<void> {
    const batches = paths.toReversed().map((path) => {
      const slash = path.lastIndexOf('/')
      const isLink = lstatSync(this.#full(path)).isSymbolicLink()
      const isDirectory = lstatSync(this.#full(path)).isDirectory()
      const directory = slash < 0 ? this.#root : `${this.#root}/${path.slice(0, slash)}`
      const mtimeNs = FIRST_MTIME_NS + BigInt(Math.floor(this.#next() * 1e15))
      const mode = this.#pick(this.#isRoot ? MODES : MODES.slice(0, 3)) ?? 0
      const owner = { uid: Math.floor(this.#next() * 5), gid: Math.floor(this.#next() * 5) }
      const entry = {
        name: path.slice(slash + 1),
        mtimeNs,
        ...(this.#isRoot ? { owner } : {}),
        ...(isLink ? {} : { mode: isDirectory && !this.#isRoot ? 0o755 : mode, xattrs: this.#xattrs() }),
      }
      return { directory, entries: [entry] }
    })
    await this.#holdfs.applyAttributes(batches)
  }

  #xattrs(): Xattr[] {
    if (!this.chance(0.15)) return []
    return [
      { name: 'user.origin', value: 'caf\xe9\0' },
      { name: `user.n${Math.floor(this.#next() * 9)}`, value: 'x'.repeat(Math.floor(this.#next() * 50)) },
    ]
  }

  #rename(path: ByteString): void {
    const target = joinPath(this.#anyDirectory(), this.#name())
    if (`${target}/`.startsWith(`${path}/`)) return
    if (!lstatSync(this.#full(target), { throwIfNoEntry: false }))
      renameSync(this.#full(path), this.#full(target))
  }

  /** Puts a name of another kind in the place of one. */
  #replace(path: ByteString): void {
    const wasDirectory = lstatSync(this.#full(path)).isDirectory()
    rmSync(this.#full(path), { recursive: true, force: true })
    if (wasDirectory) writeFileSync(this.#full(path), this.#bytes())
    else if (this.chance(0.5)) mkdirSync(this.#full(path))
    else symlinkSync(toFsPath(this.#target()), this.#full(path))
  }

  #write(path: ByteString): void {
    const stats = lstatSync(this.#full(path))
    if (!stats.isFile()) return
    const fd = openSync(this.#full(path), 'r+')
    try {
      if (this.chance(0.2)) ftruncateSync(fd, Math.floor(this.#next() * stats.size))
      const at = Math.floor(this.#next() * stats.size)
      writeSync(fd, this.#bytes().subarray(0, 2000), 0, undefined, at)
    } finally {
      closeSync(fd)
    }
  }

  #link(path: ByteString): void {
    const files = this.all().filter((found) => lstatSync(this.#full(found)).isFile())
    const existing = this.#pick(files)
    if (existing === undefined) writeFileSync(this.#full(path), '')
    else linkSync(this.#full(existing), this.#full(path))
  }

  #sparse(path: ByteString): void {
    const fd = openSync(this.#full(path), 'w')
    try {
      ftruncateSync(fd, Math.floor(this.#next() * 3_000_000))
      for (let runs = 0; runs < 3; runs++)
        writeSync(fd, this.#bytes(), 0, undefined, Math.floor(this.#next() * 2_000_000))
    } finally {
      closeSync(fd)
    }
  }

  #bytes(): Buffer {
    const draw = this.#next()
    const length =
      draw < 0.1 ? 0 : draw < 0.85 ? Math.floor(this.#next() * 6000) : Math.floor(this.#next() * 400_000)
    const word = Buffer.from(`${Math.floor(this.#next() * 1e9)} `)
    if (this.chance(0.5)) return Buffer.alloc(length, word)
    const bytes = Buffer.alloc(length)
    for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(Math.floor(this.#next() * 2 ** 32), at)
    return bytes
  }

  #name(): ByteString {
    const plain = `n${Math.floor(this.#next() * 1e6)}`
    const draw = this.#next()
    if (draw < 0.7) return plain + (this.#pick(['', '.txt', '.ts', '.json']) ?? '')
    if (draw < 0.8) return `${plain}\xff\xfe`
    if (draw < 0.88) return fromText(`${plain} ünï¢ode`)
    if (draw < 0.94) return `${plain}\nline`
    return plain.padEnd(255, '-')
  }

  #target(): ByteString {
    return this.#pick(['.', '/etc/passwd', '../..', 'n\xff', 'nowhere', 'x'.repeat(300)]) ?? '.'
  }

  #anyDirectory(): ByteString {
    const inside = this.all().filter((path) => lstatSync(this.#full(path)).isDirectory())
    return this.#pick(['', ...inside]) ?? ''
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#next() * items.length)]
  }

  #full(path: ByteString): string | Buffer {
    return toFsPath(path === '' ? this.#root : `${this.#root}/${path}`)
  }
}
