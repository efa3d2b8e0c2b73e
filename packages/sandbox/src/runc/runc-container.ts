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
import { type LocalPack, packTarget } from '../pack/local-pack.ts'
import { runProgram } from '../run-program.ts'
import { assembleRoot } from '../system/assemble-root.ts'
import { GUEST_WORKSPACE, type RootPlan } from '../system/root-plan.ts'
import { type OciRequest, ociConfig } from './oci-config.ts'
import { writtenMaps } from './owner-maps.ts'
import { overWords } from './writable-root.ts'

/** Where a root is shown while runc makes a container of it: its own path may lead through directories of root alone. */
const REACHABLE_ROOT = '/run/holdfast/root'
export interface RuncDeps {
  readonly clock: Clock
  readonly programs: NativePrograms
}

export interface ContainerRequest extends Omit<OciRequest, 'root' | 'cgroupsPath' | 'hasSwapLimit'> {
  /** What its first process reads from descriptor 3. */
  readonly given: Uint8Array
  /** Where what is written to the system is kept; null: nowhere. */
  readonly upperPath: string | null
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
    makeReachable(REACHABLE_ROOT)
    const { within, plan } = systemOf(request)
    const mounts = readCgroupMounts()
    const config = ociConfig({
      ...request,
      plan,
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
      argv: [...within, 'runc', ...creation],
      logPath: join(folder, 'runc.log'),
      given: request.given,
    })
    return new RuncContainer(deps, request, Number(readFileSync(pidFile, 'latin1')), mounts)
  }

  /**
   * Shows a directory of the host as `/workspace`; what the guest's user makes there is owned by the same number. Then
   * packs at their places in it: each by a descriptor, and on no place that is, or lies behind, a link.
   */
  async mountWorkspace(volumePath: string, packs: readonly LocalPack[] = []): Promise<void> {
    const readOnly = packs.flatMap((pack) => [packTarget(pack), pack.root])
    await runProgram({
      program: this.#deps.programs.holdmount,
      argv: [
        'into',
        String(this.pid),
        GUEST_WORKSPACE,
        volumePath,
        ...writtenMaps(this.#firstUid),
        '--',
        ...readOnly,
      ],
      logPath: join(this.#folder, 'runc.log'),
    })
  }
}

/** How holdmount shows the system at `REACHABLE_ROOT`, and what runc still has to mount in it. */
function systemOf(request: ContainerRequest): { readonly within: string[]; readonly plan: RootPlan } {
  const { folder, plan, spec } = request
  if (spec.systemWrites !== 'refused')
    return { within: overWords(request, REACHABLE_ROOT), plan: { ...plan, binds: [], hidden: [] } }
  const root = join(folder, 'root')
  mkdirSync(root, { recursive: true })
  assembleRoot(root, plan)
  return { within: ['under', root, REACHABLE_ROOT], plan }
}

/** Whoever made the directories above it, with whatever mask. */
function makeReachable(path: string): void {
  mkdirSync(path, { recursive: true })
  for (const directory of [dirname(path), path]) chmodSync(directory, 0o755)
}
