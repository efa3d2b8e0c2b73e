import type { Consistency } from '@holdfast/protocol/generation'
import { formatBytes } from '../output/quantities.ts'
import { type Finding, isAtLeast, packagesMend } from './finding.ts'
import { judgeRuntimes } from './judge-runtimes.ts'
import type { MachineFacts } from './machine-facts.ts'
import { sandboxLine } from './sandbox-line.ts'

/** What a machine makes of a directory that is begun on it, and of workspaces. */
export interface Verdict {
  /** As `hold up` says it at its start. */
  readonly sandboxes: string
  readonly volume: 'btrfs' | 'live'
  readonly consistency: Consistency
  readonly works: boolean
}

const WITHOUT_ASKING = ['runc', 'bwrap'] as const
const NODE_MAJOR_MIN = 24
/** Older ones can lose a transaction when the WAL restarts (the WAL-reset bug). */
const SQLITE_MIN = '3.51.3'
const FREE_SHARE_MIN = 0.1
const FREE_BYTES_MIN = 2 * 1000 ** 3

/** One line per thing that matters, in the order in which they depend on each other. */
export function judgeMachine(facts: MachineFacts): Finding[] {
  return [
    judgeNode(facts),
    judgeSqlite(facts),
    judgeNative(facts),
    judgeRoot(facts),
    judgeFreezer(facts),
    judgeFrozen(facts),
    judgeLoop(facts),
    judgeBtrfs(facts),
    judgeQuotas(facts),
    judgeNamespaces(facts),
    ...judgeRuntimes(facts),
    ...facts.systemSqlite.map(judgeSystemSqlite),
    judgeDisk(facts),
  ]
}

export function verdictOf(facts: MachineFacts, findings: readonly Finding[]): Verdict {
  const { isRoot, btrfs, loopDevices, nativeTrouble } = facts
  const works = findings.every(({ state }) => state !== 'missing')
  const hasBtrfs = isRoot && btrfs.inKernel && btrfs.hasProgs && loopDevices && nativeTrouble === null
  const volume = hasBtrfs ? 'btrfs' : 'live'
  const usable = facts.runtimes.filter(({ trouble }) => trouble === null).map(({ kind }) => kind)
  return {
    // The ones that `hold up` takes by itself, in its order.
    sandboxes: sandboxLine({
      runtimes: WITHOUT_ASKING.filter((kind) => usable.includes(kind)),
      ...{ volume, isRoot },
    }),
    volume,
    consistency: nativeTrouble === null ? 'cut' : 'per-database',
    works,
  }
}

function judgeNode({ nodeVersion }: MachineFacts): Finding {
  const isNew = Number(nodeVersion.split('.')[0]) >= NODE_MAJOR_MIN
  return {
    name: 'Node',
    state: isNew ? 'ok' : 'missing',
    found: nodeVersion,
    gives: 'runs hold',
    ...(isNew
      ? {}
      : { mend: { line: 'npm ci, then run bin/hold, which uses the Node 24 that comes with it' } }),
  }
}

function judgeSqlite({ sqliteVersion }: MachineFacts): Finding {
  const isNew = isAtLeast(sqliteVersion, SQLITE_MIN)
  return {
    name: 'SQLite of Node',
    state: isNew ? 'ok' : 'missing',
    found: sqliteVersion,
    gives: `keeps the history; ${SQLITE_MIN} mends the WAL-reset bug`,
    ...(isNew ? {} : { mend: { line: 'npm ci, then run bin/hold' } }),
  }
}

function judgeNative({ nativeTrouble, hasCompiler, isRoot, hasApt }: MachineFacts): Finding {
  const gives = 'freezes writers, syncs file systems, restores owners and times'
  if (nativeTrouble === null) return { name: 'native companion', state: 'ok', found: 'answers', gives }
  const finding = { name: 'native companion', state: 'missing', found: nativeTrouble, gives } as const
  if (hasCompiler) return { ...finding, mend: { line: 'npm run native', fix: { kind: 'build-native' } } }
  return { ...finding, mend: packagesMend(['gcc', 'libc6-dev'], { isRoot, hasApt }, ' && npm run native') }
}

function judgeRoot({ isRoot }: MachineFacts): Finding {
  return {
    name: 'root',
    state: isRoot ? 'ok' : 'lacking',
    found: isRoot ? 'yes' : 'no: this user alone',
    gives: 'btrfs volumes, limits of sandboxes, owners of restored files',
    ...(isRoot ? {} : { mend: { line: 'run hold as root (sudo hold …)' } }),
  }
}

function judgeFreezer({ freezer }: MachineFacts): Finding {
  const gives = 'stops all writers of a watch at one instant'
  if (freezer)
    return {
      name: 'cgroup freezer',
      state: 'ok',
      found: `version ${freezer.version} at ${freezer.path}`,
      gives,
    }
  const found = 'none may be made: processes are stopped by signals'
  return {
    name: 'cgroup freezer',
    state: 'lacking',
    found,
    gives,
    mend: {
      line: 'run hold as root, or with a delegated cgroup (systemd-run --user --scope -p Delegate=yes)',
    },
  }
}

function judgeFrozen({ frozenCgroups }: MachineFacts): Finding {
  const gives = 'nothing of an ended watch stands still'
  const [first] = frozenCgroups
  if (first === undefined) return { name: 'stale freezes', state: 'ok', found: 'none', gives }
  return {
    name: 'stale freezes',
    state: 'lacking',
    found: frozenCgroups.join(' '),
    gives,
    mend: { line: 'hold doctor --fix', fix: { kind: 'thaw', cgroups: frozenCgroups } },
  }
}

function judgeLoop({ loopDevices, isRoot }: MachineFacts): Finding {
  const found = loopDevices ? 'can be set up' : isRoot ? 'none can be set up' : 'only root may set them up'
  const mend = {
    line: isRoot
      ? 'modprobe loop (in a container: add /dev/loop-control and /dev/loop0…)'
      : 'run hold as root',
  }
  return {
    name: 'loop devices',
    state: loopDevices ? 'ok' : 'lacking',
    found,
    gives: 'a btrfs image where the disk is not btrfs',
    ...(loopDevices ? {} : { mend }),
  }
}

function judgeBtrfs({ btrfs, isRoot, hasApt }: MachineFacts): Finding {
  const gives = 'cuts, forks and rollbacks in milliseconds'
  const kernel = btrfs.inKernel ? 'in the kernel' : 'not in the kernel'
  const found = `${kernel}, mkfs.btrfs ${btrfs.hasProgs ? 'there' : 'missing'}`
  if (btrfs.inKernel && btrfs.hasProgs) return { name: 'btrfs', state: 'ok', found, gives }
  const mend = btrfs.inKernel
    ? packagesMend(['btrfs-progs'], { isRoot, hasApt })
    : { line: 'modprobe btrfs, or a kernel that has it' }
  return { name: 'btrfs', state: 'lacking', found, gives, mend }
}

function judgeQuotas({ btrfs }: MachineFacts): Finding {
  return {
    name: 'simple quotas',
    state: btrfs.hasSimpleQuotas ? 'ok' : 'lacking',
    found: btrfs.hasSimpleQuotas ? 'in the kernel' : 'not in the kernel: qgroups are used',
    gives: 'a cheap disk limit per directory',
    ...(btrfs.hasSimpleQuotas ? {} : { mend: { line: 'Linux 6.7 or later (and modprobe btrfs)' } }),
  }
}

function judgeNamespaces({ userNamespaces }: MachineFacts): Finding {
  return {
    name: 'user namespaces',
    state: userNamespaces ? 'ok' : 'lacking',
    found: userNamespaces ? 'can be made' : 'may not be made',
    gives: 'sandboxes whose root is nobody here',
    ...(userNamespaces ? {} : { mend: { line: 'sysctl -w user.max_user_namespaces=15000' } }),
  }
}

function judgeSystemSqlite({ program, version }: MachineFacts['systemSqlite'][number]): Finding {
  const isNew = isAtLeast(version, SQLITE_MIN)
  return {
    name: `SQLite of ${program}`,
    state: isNew ? 'ok' : 'lacking',
    found: version,
    gives: `WAL databases that others write: before ${SQLITE_MIN} two connections can corrupt one`,
    ...(isNew ? {} : { mend: { line: `let your programs bring SQLite ${SQLITE_MIN} or later along` } }),
  }
}

function judgeDisk({ disk }: MachineFacts): Finding {
  const { freeBytes, totalBytes, path } = disk
  const isEnough = freeBytes >= FREE_BYTES_MIN && freeBytes >= totalBytes * FREE_SHARE_MIN
  return {
    name: 'disk of the home',
    state: isEnough ? 'ok' : 'lacking',
    found: `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} free at ${path}`,
    gives: 'room for the store, unless it is elsewhere',
    ...(isEnough ? {} : { mend: { line: 'free some, or set HOLDFAST_HOME to another disk' } }),
  }
}
