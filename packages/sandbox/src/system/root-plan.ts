/** A root filesystem to assemble: what is made in an empty directory, and what of the host is shown in it, read-only. */
export interface RootPlan {
  /** Paths of the guest; those above them are made too. */
  readonly directories: readonly string[]
  /** Guest path → where the link leads. */
  readonly links: Readonly<Record<string, string>>
  /** Guest path → content. */
  readonly files: Readonly<Record<string, string>>
  readonly binds: readonly RootBind[]
  /** Directories of the binds that the guest sees empty. */
  readonly hidden: readonly string[]
}

export interface RootBind {
  /** Of the host; mounts below it are not shown. */
  readonly source: string
  /** Of the guest. */
  readonly target: string
  readonly kind: 'directory' | 'file'
}

export const GUEST_USER_ID = 1000
export const GUEST_HOME = '/home/user'
export const GUEST_WORKSPACE = '/workspace'
/** Where the programs of this installation are shown. */
export const GUEST_PROGRAMS = '/run/holdfast'

/** Ours first, so that the guest's `node` is the one that Holdfast is tested with. */
const GUEST_PATH = `${GUEST_PROGRAMS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`

/** What every command finds in its environment, unless the workspace or the command says otherwise. */
export const GUEST_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: GUEST_PATH,
  HOME: GUEST_HOME,
  USER: 'user',
  LOGNAME: 'user',
  SHELL: '/bin/bash',
  LANG: 'C.UTF-8',
}

/** Where the runtime mounts, or a guest expects to find something. */
const MOUNT_POINTS: readonly string[] = ['/proc', '/dev', '/tmp', '/run', GUEST_HOME, GUEST_WORKSPACE]

/** Made by the runtime, whatever a system has there. */
const RUNTIME_OWNED: ReadonlySet<string> = new Set(['proc', 'sys', 'dev', 'tmp', 'run', 'home', 'workspace'])

const ETC: Readonly<Record<string, string>> = {
  '/etc/passwd': [
    'root:x:0:0:root:/root:/bin/bash',
    `user:x:${GUEST_USER_ID}:${GUEST_USER_ID}:user:${GUEST_HOME}:/bin/bash`,
    `agent:x:1001:1001:agent:${GUEST_HOME}:/usr/sbin/nologin`,
    'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
    '',
  ].join('\n'),
  '/etc/group': `root:x:0:\ntty:x:5:\nuser:x:${GUEST_USER_ID}:\nagent:x:1001:\nnogroup:x:65534:\n`,
  '/etc/hosts': '127.0.0.1 localhost workspace\n::1 localhost ip6-localhost\n',
  '/etc/hostname': 'workspace\n',
  '/etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
  '/etc/resolv.conf': '',
  '/etc/os-release': 'ID=holdfast\nNAME=Holdfast\nPRETTY_NAME="Holdfast workspace"\n',
}

/** Of the host's `/etc`: what its programs cannot do without, and tells nothing of it. */
const ETC_BINDS: readonly string[] = [
  ...['/etc/alternatives', '/etc/ssl/certs', '/etc/ssl/openssl.cnf', '/etc/ca-certificates.conf'],
  ...['/etc/ld.so.cache', '/etc/ld.so.conf', '/etc/ld.so.conf.d', '/etc/localtime', '/etc/mime.types'],
]

/** What of the machine the plan depends on; asked of it at the edge. */
export interface HostLook {
  kindOf(path: string): 'directory' | 'file' | 'link' | 'absent'
  /** Where a symbolic link leads, as written in it. */
  linkTarget(path: string): string
  list(directory: string): readonly string[]
}

/** The host's own programs below a generated `/etc`. Pure, but for what `host` tells. */
export function machinePlan(host: HostLook): RootPlan {
  const binds: RootBind[] = [{ source: '/usr', target: '/usr', kind: 'directory' }]
  const links: Record<string, string> = {}
  for (const name of ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32']) {
    const kind = host.kindOf(`/${name}`)
    if (kind === 'link') links[`/${name}`] = host.linkTarget(`/${name}`)
    if (kind === 'directory') binds.push({ source: `/${name}`, target: `/${name}`, kind })
  }
  for (const path of ETC_BINDS) binds.push(...bindOf(host, path, path))
  return {
    directories: [...MOUNT_POINTS, '/root', '/var/tmp', '/opt', '/srv', '/mnt'],
    links: { ...links, '/etc/mtab': '/proc/self/mounts' },
    files: ETC,
    binds,
    hidden: host.kindOf('/usr/local') === 'directory' ? ['/usr/local'] : [],
  }
}

/**
 * Every entry of a directory in an assembled root: so it needs none of the mount points, and none of its links is
 * followed on the host. Its `/home`, `/tmp` and `/run` are the runtime's. Pure, but for what `host` tells.
 */
export function directoryPlan(host: HostLook, system: string): RootPlan {
  const binds: RootBind[] = []
  const links: Record<string, string> = {}
  for (const name of host.list(system)) {
    if (RUNTIME_OWNED.has(name)) continue
    const path = `${system}/${name}`
    if (host.kindOf(path) === 'link') links[`/${name}`] = host.linkTarget(path)
    else binds.push(...bindOf(host, path, `/${name}`))
  }
  return { directories: MOUNT_POINTS, links, files: {}, binds, hidden: [] }
}

function bindOf(host: HostLook, source: string, target: string): RootBind[] {
  const kind = host.kindOf(source)
  // A bind follows a last link of the host: what is bound is a plain file then.
  if (kind === 'link') return [{ source, target, kind: 'file' }]
  return kind === 'absent' ? [] : [{ source, target, kind }]
}
