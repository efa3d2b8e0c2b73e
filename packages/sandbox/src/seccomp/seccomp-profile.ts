import type { FsyncPolicy } from '@holdfast/protocol/sandbox-spec'
import { ALLOWED_SYSCALLS, DEBUG_SYSCALLS, SYNC_SYSCALLS } from './syscalls.ts'

/** `linux.seccomp` of an OCI runtime configuration. */
export interface SeccompProfile {
  readonly defaultAction: 'SCMP_ACT_ERRNO'
  readonly defaultErrnoRet: number
  readonly architectures: readonly string[]
  readonly syscalls: readonly SeccompRule[]
}

interface SeccompRule {
  readonly names: readonly string[]
  readonly action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO'
  /** What the call fails with; 0: it succeeds without being carried out. */
  readonly errnoRet?: number
  /** All of them hold. */
  readonly args?: readonly SeccompCondition[]
}

interface SeccompCondition {
  readonly index: number
  /** The mask of `SCMP_CMP_MASKED_EQ`, else what is compared with. */
  readonly value: number
  readonly valueTwo?: number
  readonly op: 'SCMP_CMP_EQ' | 'SCMP_CMP_MASKED_EQ'
}

export interface SeccompChoice {
  readonly fsync: FsyncPolicy
  readonly allowDebug: boolean
}

const EPERM = 1
const ENOSYS = 38
const ARCHITECTURES: Readonly<Partial<Record<NodeJS.Architecture, string>>> = {
  x64: 'SCMP_ARCH_X86_64',
  arm64: 'SCMP_ARCH_AARCH64',
}

const AF_NETLINK = 16
const SOCKET_FAMILIES = [1, 2, 10] // AF_UNIX, AF_INET, AF_INET6
/** CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET */
const CLONE_NAMESPACES = 0x7e020000
/** Linux, with and without ADDR_COMPAT… of old programs, and the question what it is. */
const PERSONALITIES = [0, 8, 0x20000, 0x20008, 0xffffffff]
const MS_SYNC = 4

/** What the kernel refuses the guest, whoever it is inside. Pure. */
export function seccompProfile(choice: SeccompChoice, architecture: NodeJS.Architecture): SeccompProfile {
  const name = ARCHITECTURES[architecture]
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: EPERM,
    architectures: name === undefined ? [] : [name],
    syscalls: [
      { names: ALLOWED_SYSCALLS, action: 'SCMP_ACT_ALLOW' },
      ...socketRules(),
      allowIf('clone', [{ index: 0, value: CLONE_NAMESPACES, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }]),
      // Its arguments lie in memory, where no filter sees them: the C library falls back to clone.
      { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
      ...PERSONALITIES.map((value) => allowIf('personality', [{ index: 0, value, op: 'SCMP_CMP_EQ' }])),
      ...ioctlRules(),
      ...(choice.allowDebug ? [{ names: DEBUG_SYSCALLS, action: 'SCMP_ACT_ALLOW' } as const] : []),
      ...fsyncRules(choice.fsync),
    ],
  }
}

function allowIf(name: string, args: readonly SeccompCondition[]): SeccompRule {
  return { names: [name], action: 'SCMP_ACT_ALLOW', args }
}

function socketRules(): SeccompRule[] {
  const family = (value: number): SeccompCondition => ({ index: 0, value, op: 'SCMP_CMP_EQ' })
  return [
    ...SOCKET_FAMILIES.map((value) => allowIf('socket', [family(value)])),
    allowIf('socket', [family(AF_NETLINK), { index: 2, value: 0, op: 'SCMP_CMP_EQ' }]),
    allowIf('socketpair', [family(1)]),
  ]
}

function fsyncRules(policy: FsyncPolicy): SeccompRule[] {
  if (policy === 'native') return [{ names: [...SYNC_SYSCALLS, 'msync'], action: 'SCMP_ACT_ALLOW' }]
  const isSync = (valueTwo: number): SeccompCondition[] => [
    { index: 2, value: MS_SYNC, valueTwo, op: 'SCMP_CMP_MASKED_EQ' },
  ]
  return [
    { names: SYNC_SYSCALLS, action: 'SCMP_ACT_ERRNO', errnoRet: 0 },
    { names: ['msync'], action: 'SCMP_ACT_ERRNO', errnoRet: 0, args: isSync(MS_SYNC) },
    allowIf('msync', isSync(0)),
  ]
}

const WORD_BITS = 32
/** TIOCSTI types into a terminal, TIOCLINUX into a console; they differ in their last four bits only. */
const TERMINAL_INPUTS_PREFIX = 0x541
const TERMINAL_INPUTS: ReadonlySet<number> = new Set([0x2, 0xc])
const NIBBLE_BITS = 4

/**
 * All requests but those that type. The kernel looks at the low 32 bits alone, so a comparison of the whole register
 * could be walked around: each rule is about bits of the lower half, and together they say `not one of the two`.
 */
function ioctlRules(): SeccompRule[] {
  const masked = (mask: number, value: number): SeccompRule =>
    allowIf('ioctl', [{ index: 1, value: mask >>> 0, valueTwo: value >>> 0, op: 'SCMP_CMP_MASKED_EQ' }])
  const prefix = TERMINAL_INPUTS_PREFIX << NIBBLE_BITS
  const otherPrefixes = Array.from({ length: WORD_BITS - NIBBLE_BITS }, (_, index) => {
    const bit = 1 << (index + NIBBLE_BITS)
    return masked(bit, ~prefix & bit)
  })
  const otherNibbles = Array.from({ length: 1 << NIBBLE_BITS }, (_, nibble) => nibble)
    .filter((nibble) => !TERMINAL_INPUTS.has(nibble))
    .map((nibble) => masked(-1, prefix | nibble))
  return [...otherPrefixes, ...otherNibbles]
}
