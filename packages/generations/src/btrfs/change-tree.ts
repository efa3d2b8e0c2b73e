import { FileEdits } from './file-edits.ts'
import type { BytePath, SendCommand } from './send-stream.ts'

/** `unknown`: an old inode of which no command has yet told whether it is a directory. */
type InodeKind = 'unknown' | 'file' | 'directory' | 'other'

/**
 * An inode that a command has named. `oldPaths` are its names in the old snapshot, as far as they are known; none
 * if the stream has made the inode, exactly one if it is an old directory.
 *
 * `entries` of a directory holds the names that commands have passed through, `undefined` for one that no longer
 * exists. A name that it does not hold is still what it was in the old snapshot (nothing, in a new directory).
 */
export interface Inode {
  kind: InodeKind
  readonly oldPaths: readonly BytePath[]
  readonly entries: Map<string, Inode | undefined>
  entriesChanged: boolean
  attributesChanged: boolean
  edits: FileEdits | undefined
}

/**
 * A temporary name, `o<inode>-<generation>-<n>` at the root. Linux 6.18 sets the times of a directory under it even
 * after the stream has removed that directory, if the new snapshot uses its inode number for something else.
 */
const ORPHAN = /^o\d+-\d+-\d+$/

/** False if no old snapshot can exist on which the command would succeed. */
type Consistent = boolean

interface Place {
  readonly directory: Inode
  readonly name: string
}

/**
 * The new snapshot as a tree of those inodes that a send stream names, laid over the old snapshot, which it never
 * reads. A rename moves one node with everything below it, so a command costs the depth of its path.
 */
export class ChangeTree {
  readonly root: Inode = newInode('directory', [''])
  /** Old paths that an inode has left, by removal or by rename, in order. */
  readonly vacated: BytePath[] = []

  /** Lets the old paths `names` be one file, before any command is applied. */
  unite(names: readonly BytePath[]): Consistent {
    const inode = newInode('file', names)
    for (const path of names) {
      const place = this.#place(path)
      if (place === undefined || place.directory.entries.has(place.name)) return false
      place.directory.entries.set(place.name, inode)
    }
    return true
  }

  apply(command: SendCommand): Consistent {
    switch (command.name) {
      case 'mkfile':
        return this.#create(command.path, 'file')
      case 'mkdir':
        return this.#create(command.path, 'directory')
      case 'mknod':
      case 'mkfifo':
      case 'mksock':
      case 'symlink':
        return this.#create(command.path, 'other')
      case 'rename':
        return this.#rename(command.path, command.pathTo)
      case 'link':
        return this.#link(command.path, command.pathLink)
      case 'unlink':
        return this.#unlink(command.path)
      case 'rmdir':
        return this.#rmdir(command.path)
      case 'write':
      case 'clone':
      case 'updateExtent':
      case 'encodedWrite':
      case 'fallocate':
        return this.#edit(command.path, (edits) => edits.write(command.start, command.end))
      case 'truncate':
        return this.#edit(command.path, (edits) => edits.truncate(command.sizeBytes))
      case 'setXattr':
      case 'removeXattr':
      case 'chmod':
      case 'chown':
      case 'fileattr':
      case 'enableVerity':
        return this.#changeAttributes(command.path)
      case 'utimes':
        return this.#changeAttributes(command.path) || ORPHAN.test(command.path)
      case 'subvol':
      case 'snapshot':
      case 'end':
      case 'unreadable':
        return false
    }
  }

  #create(path: BytePath, kind: InodeKind): Consistent {
    return this.#put(path, newInode(kind, []))
  }

  #rename(from: BytePath, to: BytePath): Consistent {
    const inode = this.#take(from)
    return inode !== undefined && this.#put(to, inode, 'replace')
  }

  #link(path: BytePath, existing: BytePath): Consistent {
    const inode = this.#at(existing)
    if (inode === undefined || inode.kind === 'directory') return false
    if (inode.kind === 'unknown') inode.kind = 'file'
    return this.#put(path, inode)
  }

  #unlink(path: BytePath): Consistent {
    const inode = this.#take(path)
    return inode !== undefined && inode.kind !== 'directory'
  }

  #rmdir(path: BytePath): Consistent {
    const inode = this.#take(path)
    if (inode === undefined || !become(inode, 'directory')) return false
    return inode.entries.values().every((entry) => entry === undefined)
  }

  #edit(path: BytePath, edit: (edits: FileEdits) => void): Consistent {
    const inode = this.#at(path)
    if (inode === undefined || !become(inode, 'file')) return false
    inode.edits ??= new FileEdits()
    edit(inode.edits)
    return true
  }

  #changeAttributes(path: BytePath): Consistent {
    const inode = this.#at(path)
    if (inode === undefined) return false
    inode.attributesChanged = true
    return true
  }

  /** Removes the entry and returns its inode. */
  #take(path: BytePath): Inode | undefined {
    const place = this.#place(path)
    const inode = place && entryOf(place.directory, place.name)
    if (place === undefined || inode === undefined) return undefined
    this.#vacate(place, inode)
    place.directory.entries.set(place.name, undefined)
    place.directory.entriesChanged = true
    return inode
  }

  #put(path: BytePath, inode: Inode, existing: 'refuse' | 'replace' = 'refuse'): Consistent {
    const place = this.#place(path)
    if (place === undefined) return false
    const present = place.directory.entries.get(place.name)
    if (present !== undefined) {
      if (existing === 'refuse' || present.kind === 'directory') return false
      this.#vacate(place, present)
    }
    place.directory.entries.set(place.name, inode)
    place.directory.entriesChanged = true
    return true
  }

  #vacate(place: Place, inode: Inode): void {
    const oldPath = unmovedPath(inode, place.directory, place.name)
    if (oldPath !== undefined) this.vacated.push(oldPath)
  }

  /** The directory that holds the last name of `path`; undefined for the root, which has none. */
  #place(path: BytePath): Place | undefined {
    if (path === '') return undefined
    const slash = path.lastIndexOf('/')
    const directory = slash < 0 ? this.root : this.#at(path.slice(0, slash))
    if (directory === undefined || !become(directory, 'directory')) return undefined
    return { directory, name: path.slice(slash + 1) }
  }

  #at(path: BytePath): Inode | undefined {
    let inode: Inode | undefined = this.root
    if (path === '') return inode
    for (let start = 0; start <= path.length && inode !== undefined; ) {
      const slash = path.indexOf('/', start)
      const end = slash < 0 ? path.length : slash
      if (!become(inode, 'directory')) return undefined
      inode = entryOf(inode, path.slice(start, end))
      start = end + 1
    }
    return inode
  }
}

/** The old path of the entry `name` of `directory`, if that entry already was in the old snapshot. */
export function unmovedPath(inode: Inode, directory: Inode, name: string): BytePath | undefined {
  const [oldDirectory] = directory.oldPaths
  if (oldDirectory === undefined || inode.oldPaths.length === 0) return undefined
  const oldPath = pathBelow(oldDirectory, name)
  return inode.oldPaths.includes(oldPath) ? oldPath : undefined
}

export function pathBelow(directory: BytePath, name: string): BytePath {
  return directory === '' ? name : `${directory}/${name}`
}

function newInode(kind: InodeKind, oldPaths: readonly BytePath[]): Inode {
  return {
    kind,
    oldPaths,
    entries: new Map(),
    entriesChanged: false,
    attributesChanged: false,
    edits: undefined,
  }
}

/** The inode at an entry; one of the old snapshot gets its node on first sight. */
function entryOf(directory: Inode, name: string): Inode | undefined {
  const known = directory.entries.get(name)
  const [oldDirectory] = directory.oldPaths
  if (known !== undefined || oldDirectory === undefined || directory.entries.has(name)) return known
  const inode = newInode('unknown', [pathBelow(oldDirectory, name)])
  directory.entries.set(name, inode)
  return inode
}

/** False if the inode is proven to be of another kind. */
function become(inode: Inode, kind: 'file' | 'directory'): boolean {
  if (inode.kind === 'unknown') inode.kind = kind
  return inode.kind === kind
}
