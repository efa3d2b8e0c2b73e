import { readFileSync } from 'node:fs'

/** One line of /proc/self/mountinfo (proc(5)). */
export interface Mount {
  /** The part of the file system that is mounted: for btrfs the path of the subvolume. */
  readonly root: string
  readonly mountPoint: string
  readonly type: string
  /** The device. */
  readonly source: string
  /** The file system takes no more writes, whatever the mount allows: for btrfs after its disk refused one. */
  readonly isReadOnly: boolean
}

/** The mounts of this process, in the order in which they cover one another. */
export function mountTable(): Mount[] {
  return parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8'))
}

/** Lines of another shape are passed over. */
export function parseMountTable(text: string): Mount[] {
  const mounts: Mount[] = []
  for (const line of text.split('\n')) {
    const [own = '', rest = ''] = line.split(' - ', 2)
    const [, , , root, mountPoint] = own.split(' ')
    const [type, source, options = ''] = rest.split(' ')
    if (root === undefined || mountPoint === undefined || type === undefined || source === undefined) continue
    mounts.push({
      root: unescapeOctal(root),
      mountPoint: unescapeOctal(mountPoint),
      type,
      source: unescapeOctal(source),
      isReadOnly: options.split(',').includes('ro'),
    })
  }
  return mounts
}

/** What is mounted at exactly this path, or undefined. */
export function mountAt(path: string, mounts: readonly Mount[] = mountTable()): Mount | undefined {
  return mounts.findLast((mount) => mount.mountPoint === path)
}

/** The mount that an absolute path without links lies in. */
export function mountOf(path: string, mounts: readonly Mount[] = mountTable()): Mount | undefined {
  let found: Mount | undefined
  for (const mount of mounts) {
    const isAbove = path === mount.mountPoint || path.startsWith(`${mount.mountPoint.replace(/\/$/, '')}/`)
    if (isAbove && mount.mountPoint.length >= (found?.mountPoint.length ?? 0)) found = mount
  }
  return found
}

/** The kernel writes space, tab, newline and backslash as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
