import { Failure } from '@holdfast/base/failure'
import type { TarEntry } from './tar-reader.ts'

/** One name of an unpacked image. */
export type TreeNode =
  | { readonly kind: 'directory'; readonly mode: number; readonly layer: number }
  | { readonly kind: 'file'; readonly mode: number; readonly layer: number; readonly content: number }
  | { readonly kind: 'link'; readonly layer: number; readonly target: string }

const ENTRIES_MAX = 1_000_000
const PATH_BYTES_MAX = 4095
const NAME_BYTES_MAX = 255
const WHITEOUT = '.wh.'
const OPAQUE = '.wh..wh..opq'
const AUFS_OWN = '.wh..wh.'
const DIRECTORY_MODE = 0o755

/**
 * The tree that the layers of an image come to, as names in memory: nothing is on a disk while links, hard links and
 * whiteouts are resolved, so none of them can lead anywhere.
 */
export class LayerTree {
  readonly #nodes = new Map<string, TreeNode>()
  /** Direct names of each directory. */
  readonly #names = new Map<string, Set<string>>([['', new Set()]])

  /** By path, parents first. */
  get nodes(): ReadonlyMap<string, TreeNode> {
    return this.#nodes
  }

  /** Applies one entry of layer number `layer`; `content` is where a file's bytes are kept. Throws `image-refused`. */
  apply(entry: TarEntry, layer: number, content: number): void {
    const path = pathOf(entry.path)
    if (path === '') return
    const slash = path.lastIndexOf('/')
    const parent = slash < 0 ? '' : path.slice(0, slash)
    const name = path.slice(slash + 1)
    if (name.startsWith(WHITEOUT)) this.#whiteOut(parent, name, layer)
    else this.#put(path, parent, { entry, layer, content })
  }

  #put(
    path: string,
    parent: string,
    { entry, layer, content }: { readonly entry: TarEntry; readonly layer: number; readonly content: number },
  ): void {
    this.#makeParents(parent, layer)
    const mode = entry.mode & 0o777
    switch (entry.kind) {
      case 'directory':
        if (this.#nodes.get(path)?.kind !== 'directory') this.#remove(path)
        this.#set(path, { kind: 'directory', mode, layer })
        break
      case 'file':
        this.#replace(path, { kind: 'file', mode, layer, content })
        break
      case 'link':
        this.#replace(path, { kind: 'link', layer, target: entry.target })
        break
      case 'hard-link':
        this.#linkHard(path, entry.target, layer)
        break
      case 'other':
        break // devices and pipes are of no use to a guest that may not have them
    }
  }

  #linkHard(path: string, target: string, layer: number): void {
    const found = this.#nodes.get(pathOf(target))
    if (found === undefined || found.kind === 'directory')
      throw refused(`${path} is a hard link out of the image`)
    this.#replace(path, { ...found, layer })
  }

  #whiteOut(parent: string, name: string, layer: number): void {
    if (name === OPAQUE) {
      for (const child of this.#names.get(parent) ?? []) this.#removeBelow(join(parent, child), layer)
      return
    }
    if (name.startsWith(AUFS_OWN)) return
    const hidden = name.slice(WHITEOUT.length)
    if (hidden === '' || hidden === '.' || hidden === '..')
      throw refused(`${join(parent, name)} hides nothing`)
    this.#removeBelow(join(parent, hidden), layer)
  }

  /** What a layer itself has brought stays, in whatever order it says so. */
  #removeBelow(path: string, layer: number): void {
    for (const child of this.#names.get(path) ?? []) this.#removeBelow(join(path, child), layer)
    const isEmpty = (this.#names.get(path)?.size ?? 0) === 0
    if (this.#nodes.has(path) && this.#nodes.get(path)?.layer !== layer && isEmpty) this.#remove(path)
  }

  #makeParents(path: string, layer: number): void {
    if (path === '') return
    const node = this.#nodes.get(path)
    if (node?.kind === 'directory') return
    if (node !== undefined) throw refused(`something lies below ${path}, which is no directory`)
    const slash = path.lastIndexOf('/')
    this.#makeParents(slash < 0 ? '' : path.slice(0, slash), layer)
    this.#set(path, { kind: 'directory', mode: DIRECTORY_MODE, layer })
  }

  #replace(path: string, node: TreeNode): void {
    this.#remove(path)
    this.#set(path, node)
  }

  #set(path: string, node: TreeNode): void {
    if (this.#nodes.size >= ENTRIES_MAX) throw refused(`it holds more than ${ENTRIES_MAX} names`)
    this.#nodes.set(path, node)
    const slash = path.lastIndexOf('/')
    this.#names.get(slash < 0 ? '' : path.slice(0, slash))?.add(path.slice(slash + 1))
    if (node.kind === 'directory' && !this.#names.has(path)) this.#names.set(path, new Set())
  }

  #remove(path: string): void {
    for (const child of this.#names.get(path) ?? []) this.#remove(join(path, child))
    this.#names.delete(path)
    this.#nodes.delete(path)
    const slash = path.lastIndexOf('/')
    this.#names.get(slash < 0 ? '' : path.slice(0, slash))?.delete(path.slice(slash + 1))
  }
}

/** Below the image's root, without `.` and `..`; '' is the root itself. Throws `image-refused`. Pure. */
function pathOf(text: string): string {
  const parts = text.split('/').filter((part) => part !== '' && part !== '.')
  const isSafe = parts.every((part) => part !== '..' && Buffer.byteLength(part) <= NAME_BYTES_MAX)
  const path = parts.join('/')
  if (isSafe && !path.includes('\0') && Buffer.byteLength(path) <= PATH_BYTES_MAX) return path
  throw refused(`${text.slice(0, NAME_BYTES_MAX)} is no path in it`)
}

function join(parent: string, name: string): string {
  return parent === '' ? name : `${parent}/${name}`
}

function refused(reason: string): Failure {
  return new Failure('image-refused', `the image cannot be unpacked: ${reason}`)
}
