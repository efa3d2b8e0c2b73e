import type { SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import { seccompProfile } from '../seccomp/seccomp-profile.ts'
import { MASKED_PATHS, READ_ONLY_PATHS } from '../system/masked-paths.ts'
import { GUEST_HOME, GUEST_USER_ID, type RootPlan } from '../system/root-plan.ts'

/** What the configuration of one sandbox is made from. */
export interface OciRequest {
  readonly spec: SandboxSpec
  readonly plan: RootPlan
  /** The assembled root, absolute. */
  readonly root: string
  /** What pid 1 is. */
  readonly argv: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Further mounts of the host, after the plan's. */
  readonly mounts: readonly OciMount[]
  /** Host id of the container's id 0. */
  readonly firstUid: number
  /** Absolute in each hierarchy, so that it does not depend on where the caller is. */
  readonly cgroupsPath: string
  /** The kernel counts swap apart: without that, runc refuses a limit for it. */
  readonly hasSwapLimit: boolean
  /** The most open files that this process may grant. */
  readonly openFilesMax: number
  readonly architecture: NodeJS.Architecture
}

export interface OciMount {
  readonly destination: string
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
}

export const UIDS_PER_SANDBOX = 65_536
const CPU_PERIOD_US = 100_000
const SHARES_PER_CPU = 1024
const LOCKED_BYTES_MAX = 64 * 1024
const RUN_BYTES_MAX = 16 * 1024 * 1024
/** holdinit gives SETPCAP up first of all: with it, it empties the bounding set that its children are born with. */
const INIT_CAPABILITIES = ['CAP_SETUID', 'CAP_SETGID', 'CAP_KILL', 'CAP_SETPCAP']
const ROOT_CAPABILITIES = ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER']
const NAMESPACES = ['pid', 'network', 'ipc', 'uts', 'mount', 'user', 'cgroup']

/** The OCI runtime configuration (config.json, version 1.0.2) of a sandbox. Pure. */
export function ociConfig(request: OciRequest) {
  const { spec, plan } = request
  const idMapping = { containerID: 0, hostID: request.firstUid, size: UIDS_PER_SANDBOX }
  return {
    ociVersion: '1.0.2',
    hostname: 'workspace',
    root: { path: request.root, readonly: spec.systemWrites === 'refused' },
    process: initProcess(request),
    mounts: [
      ...kernelMounts(),
      ...plan.binds.map(({ source, target }) => readOnlyBind(source, target)),
      ...plan.hidden.map((path) => tmpfs(path, ['ro', 'size=4k', 'mode=755'])),
      tmpfs('/tmp', ['mode=1777', `size=${spec.limits.tmpBytes}`]),
      tmpfs('/dev/shm', ['mode=1777', `size=${spec.limits.tmpBytes}`]),
      tmpfs('/run', ['noexec', 'mode=755', `size=${RUN_BYTES_MAX}`]),
      tmpfs(GUEST_HOME, [
        `uid=${GUEST_USER_ID}`,
        `gid=${GUEST_USER_ID}`,
        'mode=755',
        `size=${spec.limits.tmpBytes}`,
      ]),
      ...request.mounts,
    ],
    linux: {
      namespaces: NAMESPACES.map((type) => ({ type })),
      uidMappings: [idMapping],
      gidMappings: [idMapping],
      cgroupsPath: request.cgroupsPath,
      resources: resources(request),
      rootfsPropagation: 'private',
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READ_ONLY_PATHS,
      seccomp: seccompProfile(spec, request.architecture),
    },
  }
}

function initProcess(request: OciRequest) {
  const { spec } = request
  const capabilities = [...INIT_CAPABILITIES, ...(spec.allowRoot ? ROOT_CAPABILITIES : [])]
  const limit = (type: string, value: number) => ({ type, hard: value, soft: value })
  return {
    terminal: false,
    user: { uid: 0, gid: 0, additionalGids: [] },
    args: request.argv,
    env: Object.entries(request.environment).map(([name, value]) => `${name}=${value}`),
    cwd: '/',
    noNewPrivileges: true,
    oomScoreAdj: 0,
    capabilities: {
      bounding: capabilities,
      effective: capabilities,
      permitted: capabilities,
      inheritable: [],
      ambient: [],
    },
    rlimits: [
      limit('RLIMIT_NOFILE', Math.min(spec.limits.openFiles, request.openFilesMax)),
      limit('RLIMIT_FSIZE', spec.limits.diskBytes),
      limit('RLIMIT_MEMLOCK', LOCKED_BYTES_MAX),
      limit('RLIMIT_CORE', 0),
      limit('RLIMIT_MSGQUEUE', 0),
      limit('RLIMIT_NICE', 0),
      limit('RLIMIT_RTPRIO', 0),
    ],
  }
}

function resources({ spec, hasSwapLimit }: OciRequest) {
  const { memoryBytes, cpus, pids } = spec.limits
  return {
    devices: [{ allow: false, access: 'rwm' }],
    // No swap: limit and limit with swap are equal.
    memory: { limit: memoryBytes, ...(hasSwapLimit ? { swap: memoryBytes } : {}) },
    pids: { limit: pids },
    cpu: {
      period: CPU_PERIOD_US,
      quota: Math.round(cpus * CPU_PERIOD_US),
      shares: Math.max(2, Math.round(cpus * SHARES_PER_CPU)),
    },
  }
}

function kernelMounts(): OciMount[] {
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
  ]
}

export function tmpfs(destination: string, options: readonly string[]): OciMount {
  return { destination, type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', ...options] }
}

/** Without `rec`: mounts of the host below the source stay its own. */
export function readOnlyBind(source: string, destination: string): OciMount {
  return { destination, type: 'bind', source, options: ['bind', 'ro', 'nosuid', 'nodev', 'rprivate'] }
}

/** Writable, of the sandbox alone. */
export function writableBind(source: string, destination: string): OciMount {
  return { destination, type: 'bind', source, options: ['bind', 'rw', 'nosuid', 'nodev', 'rprivate'] }
}
