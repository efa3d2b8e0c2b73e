import { join } from 'node:path'
import { type CgroupDirectories, namedCgroup, readCgroupMounts, UNIFIED } from './cgroup-mounts.ts'

/** Holds every sandbox's cgroup, in each hierarchy. */
export const CGROUP_PARENT = '/holdfast'

/** The cgroup that a sandbox will have, known before it is made. */
export function expectedCgroup(id: string): CgroupDirectories {
  return namedCgroup(join(CGROUP_PARENT, id), readCgroupMounts())
}

/** Those of a sandbox's cgroups by which all of it can be frozen and killed. */
export function expectedFreezers(id: string): readonly string[] {
  const cgroup = expectedCgroup(id)
  return ['freezer', UNIFIED].flatMap((controller) => cgroup.get(controller) ?? [])
}
