import type { CgroupDirectories } from './cgroup-mounts.ts'

/** Enters its cgroups, then becomes the program: nothing of it ever runs outside. */
const ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"'

/** Arguments of `/bin/sh` that run a program, and all that comes of it, inside a cgroup. */
export function enterCgroup(directories: CgroupDirectories, program: readonly string[]): string[] {
  return ['-c', ENTER, 'sh', ...new Set(directories.values()), '--', ...program]
}
