import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The directories of one cgroup, by controller of version 1; '' is the one hierarchy of version 2. */
export type CgroupDirectories = ReadonlyMap<string, string>

interface CgroupMount {
  readonly mountPoint: string
  /** What of the hierarchy is mounted there: in a container the part that it may see. */
  readonly root: string
}

/** Where each controller's hierarchy is mounted. */
export type CgroupMounts = ReadonlyMap<string, CgroupMount>

export const UNIFIED = ''
const VERSION_1_CONTROLLERS: ReadonlySet<string> = new Set([
  ...['blkio', 'cpu', 'cpuacct', 'cpuset', 'devices', 'freezer', 'hugetlb', 'memory', 'misc'],
  ...['net_cls', 'net_prio', 'perf_event', 'pids', 'rdma', 'name=systemd'],
])

export function readCgroupMounts(): CgroupMounts {
  return parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'latin1'))
}

/** Of the lines of mountinfo (proc(5)) those of cgroups; of several mounts of a hierarchy the first. */
export function parseCgroupMounts(mountinfo: string): CgroupMounts {
  const mounts = new Map<string, CgroupMount>()
  for (const line of mountinfo.split('\n')) {
    const [own = '', rest = ''] = line.split(' - ', 2)
    const [, , , root, mountPoint] = own.split(' ')
    const [type, , superOptions = ''] = rest.split(' ')
    if (root === undefined || mountPoint === undefined) continue
    const names =
      type === 'cgroup2'
        ? [UNIFIED]
        : type === 'cgroup'
          ? superOptions.split(',').filter((option) => VERSION_1_CONTROLLERS.has(option))
          : []
    for (const name of names) if (!mounts.has(name)) mounts.set(name, { mountPoint, root })
  }
  return mounts
}

/** Where the cgroups of a process are, by the text of its /proc/PID/cgroup. What is mounted nowhere is left out. */
export function cgroupDirectories(text: string, mounts: CgroupMounts): CgroupDirectories {
  const directories = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (controllers === undefined || path === undefined) continue
    for (const name of controllers.split(',')) {
      const mount = mounts.get(name)
      if (mount !== undefined) directories.set(name, join(mount.mountPoint, belowRoot(path, mount.root)))
    }
  }
  return directories
}

/** A cgroup of this absolute name in each hierarchy, whether it is there or not. */
export function namedCgroup(name: string, mounts: CgroupMounts): CgroupDirectories {
  return new Map([...mounts].map(([controller, { mountPoint }]) => [controller, join(mountPoint, name)]))
}

/** Version 1 counts swap only where the kernel was started so; version 2 always does. */
export function countsSwap(mounts: CgroupMounts): boolean {
  const memory = mounts.get('memory')
  return memory === undefined || existsSync(join(memory.mountPoint, 'memory.memsw.limit_in_bytes'))
}

/** Where a cgroup namespace hides what is above the mount, the path is relative to the mount already. */
function belowRoot(path: string, root: string): string {
  if (root === '/' || root.startsWith('/..')) return path
  return path === root || path.startsWith(`${root}/`) ? path.slice(root.length) : path
}
