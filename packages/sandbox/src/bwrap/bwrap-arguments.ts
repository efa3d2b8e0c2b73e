import type { SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import { type LocalPack, packTarget } from '../pack/local-pack.ts'
import {
  GUEST_HOME,
  GUEST_PROGRAMS,
  GUEST_USER_ID,
  GUEST_WORKSPACE,
  type RootPlan,
} from '../system/root-plan.ts'

export interface BwrapRequest {
  readonly spec: SandboxSpec
  readonly plan: RootPlan
  /** The assembled root. */
  readonly root: string
  readonly volumePath: string
  readonly packs?: readonly LocalPack[]
  /** The directory that only pid 1 speaks through, on the host and inside. */
  readonly control: { readonly source: string; readonly target: string }
  readonly programs: { readonly holdinit: string; readonly node: string }
  /** What of `/proc` is covered: files and directories that are there. */
  readonly masked: { readonly files: readonly string[]; readonly directories: readonly string[] }
  /** Numbers of descriptors that it inherits. */
  readonly seccompFd: number
  readonly statusFd: number
  /** What pid 1 is. */
  readonly argv: readonly string[]
}

const RUN_BYTES_MAX = 16 * 1024 * 1024

/** The words of bwrap(1), in the order in which it carries them out. Pure. */
export function bwrapArguments(request: BwrapRequest): string[] {
  const { plan, programs, spec, packs = [] } = request
  const tmpfs = (path: string, mode: string, bytes: number) => [
    ...['--perms', mode, '--size', String(bytes), '--tmpfs', path],
  ]
  const { tmpBytes } = spec.limits
  return [
    ...['--unshare-all', '--as-pid-1', '--hostname', 'workspace', '--clearenv', '--chdir', '/'],
    ...['--uid', String(GUEST_USER_ID), '--gid', String(GUEST_USER_ID)],
    ...['--seccomp', String(request.seccompFd), '--json-status-fd', String(request.statusFd)],
    ...['--ro-bind', request.root, '/'],
    ...plan.binds.flatMap(({ source, target }) => ['--ro-bind', source, target]),
    ...plan.hidden.flatMap((path) => [...tmpfs(path, '0755', 4096), '--remount-ro', path]),
    ...['--proc', '/proc', '--dev', '/dev'],
    ...request.masked.files.flatMap((path) => ['--ro-bind', '/dev/null', path]),
    ...request.masked.directories.flatMap((path) => [...tmpfs(path, '0755', 4096), '--remount-ro', path]),
    ...tmpfs('/dev/shm', '1777', tmpBytes),
    ...['--remount-ro', '/dev'],
    ...tmpfs('/tmp', '1777', tmpBytes),
    ...tmpfs('/run', '0755', RUN_BYTES_MAX),
    ...tmpfs(GUEST_HOME, '0755', tmpBytes),
    ...['--ro-bind', programs.holdinit, `${GUEST_PROGRAMS}/holdinit`],
    ...['--ro-bind', programs.holdinit, `${GUEST_PROGRAMS}/hold`],
    ...['--ro-bind', programs.node, `${GUEST_PROGRAMS}/node`],
    ...['--bind', request.control.source, request.control.target],
    ...['--bind', request.volumePath, GUEST_WORKSPACE],
    ...packs.flatMap((pack) => ['--ro-bind', pack.root, packTarget(pack)]),
    '--',
    ...request.argv,
  ]
}
