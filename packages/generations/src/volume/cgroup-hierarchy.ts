import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** Where new freezer cgroups are made, and where the CPU time of what is in them is counted. */
export interface CgroupHierarchy {
  readonly version: 1 | 2
  /** The directory that holds the new cgroups. */
  readonly freezer: string
  /** The same of the counting hierarchy: of version 2 the same one, of version 1 null where nothing counts. */
  readonly accounting: string | null
}

const MOUNTS = '/sys/fs/cgroup'
const CPUACCT_MOUNTS = ['cpuacct', 'cpu,cpuacct']
const UNIFIED_MOUNTS = ['', 'unified']
/** Holds every cgroup that Holdfast makes, below the cgroup that it runs in itself: its limits go on to hold. */
const PARENT = 'holdfast'

/** The first hierarchy of `versions` in which this process may make cgroups. */
export function findCgroupHierarchy(versions: readonly (1 | 2)[]): CgroupHierarchy | undefined {
  const own = readOwnCgroups()
  for (const version of versions) {
    const found = version === 1 ? version1(own) : version2(own)
    if (found) return found
  }
  return undefined
}

function version1(own: ReadonlyMap<string, string>): CgroupHierarchy | undefined {
  const freezer = usableParent(join(MOUNTS, 'freezer'), own.get('freezer'), 'freezer.state')
  if (freezer === undefined) return undefined
  const mount = CPUACCT_MOUNTS.map((name) => join(MOUNTS, name)).find((path) => existsSync(path))
  const accounting = mount && usableParent(mount, own.get('cpuacct'), 'cpuacct.usage')
  return { version: 1, freezer, accounting: accounting ?? null }
}

function version2(own: ReadonlyMap<string, string>): CgroupHierarchy | undefined {
  const mounts = UNIFIED_MOUNTS.map((name) => join(MOUNTS, name))
  const mount = mounts.find((path) => existsSync(join(path, 'cgroup.controllers')))
  const parent = mount && usableParent(mount, own.get(''), 'cgroup.freeze')
  return parent === undefined ? undefined : { version: 2, freezer: parent, accounting: parent }
}

/** The parent directory below the own cgroup of a mounted hierarchy, made if need be; undefined where that fails. */
function usableParent(mount: string, own: string | undefined, file: string): string | undefined {
  if (!existsSync(mount)) return undefined
  const inside = join(mount, own ?? '')
  // In a container the path of the own cgroup may name a place outside of what is mounted.
  const parent = join(existsSync(inside) ? inside : mount, PARENT)
  try {
    mkdirSync(parent, { recursive: true })
  } catch {
    return undefined
  }
  return existsSync(join(parent, file)) ? parent : undefined
}

/** The path of the own cgroup by controller; '' is version 2. */
function readOwnCgroups(): Map<string, string> {
  const own = new Map<string, string>()
  for (const line of readFileSync('/proc/self/cgroup', 'latin1').split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (path !== undefined) for (const name of controllers?.split(',') ?? []) own.set(name, path)
  }
  return own
}

/** Removes a cgroup, and its parent with the last one; false while there are processes, or cgroups of others, in it. */
export function removeCgroup(path: string): boolean {
  try {
    rmdirSync(path)
    if (basename(dirname(path)) === PARENT) removeCgroup(dirname(path))
    return true
  } catch {
    return !existsSync(path)
  }
}
