import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Clock } from '@holdfast/base/clock'
import {
  type CgroupMounts,
  cgroupDirectories,
  countsSwap,
  readCgroupMounts,
} from '../cgroup/cgroup-mounts.ts'
import { CGROUP_PARENT } from '../cgroup/expected-cgroup.ts'
import { SandboxCgroup } from '../cgroup/sandbox-cgroup.ts'
import type { NativePrograms } from '../native-programs.ts'
import { runProgram } from '../run-program.ts'
import { assembleRoot } from '../system/assemble-root.ts'
import { GUEST_USER_ID, GUEST_WORKSPACE } from '../system/root-plan.ts'
import { type OciRequest, ociConfig, UIDS_PER_SANDBOX } from './oci-config.ts'

/** Where a root is shown while runc makes a container of it: its own path may lead through directories of root alone. */
const REACHABLE_ROOT = '/run/holdfast/root'
/** Users of the guest that own what they make under their own number also on the host's disk: user and agent. */
const KEPT_IDS = 2
/** The others are moved up, so that nothing in a volume is ever owned by an account of the host. */
const FOREIGN_ID_MIN = 100_000

export interface RuncDeps {
  readonly clock: Clock
  readonly programs: NativePrograms
}

export interface ContainerRequest extends Omit<OciRequest, 'root' | 'cgroupsPath' | 'hasSwapLimit'> {
  /** What its first process reads from descriptor 3. */
  readonly given: Uint8Array
  readonly id: string
  /** Of this sandbox alone. */
  readonly folder: string
}

/** A container that runc has made, and whose first process runs. */
export class RuncContainer {
  readonly id: string
  readonly pid: number
  readonly cgroup: SandboxCgroup
  readonly #folder: string
  readonly #deps: RuncDeps
  readonly #firstUid: number

  private constructor(deps: RuncDeps, request: ContainerRequest, pid: number, mounts: CgroupMounts) {
    this.#deps = deps
    this.id = request.id
    this.pid = pid
    this.#folder = request.folder
    this.#firstUid = request.firstUid
    const directories = cgroupDirectories(readFileSync(`/proc/${pid}/cgroup`, 'latin1'), mounts)
    this.cgroup = new SandboxCgroup(directories, deps.clock)
  }

  /** Rejects with `sandbox-failed` or `unsupported-here`; the caller then removes what is left. */
  static async create(deps: RuncDeps, request: ContainerRequest): Promise<RuncContainer> {
    const { folder, id } = request
    const root = join(folder, 'root')
    mkdirSync(root, { recursive: true })
    makeReachable(REACHABLE_ROOT)
    assembleRoot(root, request.plan)
    const mounts = readCgroupMounts()
    const config = ociConfig({
      ...request,
      root: REACHABLE_ROOT,
      cgroupsPath: join(CGROUP_PARENT, id),
      hasSwapLimit: countsSwap(mounts),
    })
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
    const pidFile = join(folder, 'pid')
    // runc keeps its state in the sandbox's folder, and goes with it.
    const words = ['--root', join(folder, 'runc'), 'run', '--detach', '--preserve-fds', '1']
    const creation = [...words, '--bundle', folder, '--pid-file', pidFile, id]
    await runProgram({
      program: deps.programs.holdmount,
      argv: ['under', root, REACHABLE_ROOT, 'runc', ...creation],
      logPath: join(folder, 'runc.log'),
      given: request.given,
    })
    return new RuncContainer(deps, request, Number(readFileSync(pidFile, 'latin1')), mounts)
  }

  /** Shows a directory of the host as `/workspace`; what the guest's user makes there is owned by the same number. */
  async mountWorkspace(volumePath: string): Promise<void> {
    await runProgram({
      program: this.#deps.programs.holdmount,
      argv: ['into', String(this.pid), GUEST_WORKSPACE, volumePath, ...workspaceMaps(this.#firstUid)],
      logPath: join(this.#folder, 'runc.log'),
    })
  }
}

/** Whoever made the directories above it, with whatever mask. */
function makeReachable(path: string): void {
  mkdirSync(path, { recursive: true })
  for (const directory of [dirname(path), path]) chmodSync(directory, 0o755)
}

/** FILE:HOST:COUNT of the mount helper, for all ids of the container. */
function workspaceMaps(firstUid: number): string[] {
  const below = GUEST_USER_ID
  const above = GUEST_USER_ID + KEPT_IDS
  return [
    `${GUEST_USER_ID}:${firstUid + GUEST_USER_ID}:${KEPT_IDS}`,
    `${FOREIGN_ID_MIN}:${firstUid}:${below}`,
    `${FOREIGN_ID_MIN + above}:${firstUid + above}:${UIDS_PER_SANDBOX - above}`,
  ]
}
