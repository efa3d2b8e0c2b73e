import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { compileSeccomp, parseSyscallNumbers, type SyscallNumbers } from './seccomp-filter.ts'
import { type SeccompProfile, seccompProfile } from './seccomp-profile.ts'

const SEED = 20_261_121
const ALLOW = 0x7fff0000
const ERRNO = 0x00050000
const KILL_PROCESS = 0x80000000
const EPERM = 1
const ENOSYS = 38
const ARCHITECTURE = process.arch === 'arm64' ? 0xc00000b7 : 0xc000003e
const TIOCSTI = 0x5412
const TIOCLINUX = 0x541c

let numbers: SyscallNumbers

before(() => {
  execFileSync('sh', [fileURLToPath(new URL('../../native/syscalls/build.sh', import.meta.url))])
  const table = fileURLToPath(new URL('../../../../build/syscalls', import.meta.url))
  numbers = parseSyscallNumbers(readFileSync(table, 'latin1'))
})

/** What the kernel's interpreter answers (Documentation/networking/filter.rst), for what the compiler emits. */
function answer(
  program: Buffer,
  number: number,
  args: readonly bigint[],
  architecture = ARCHITECTURE,
): number {
  const call = Buffer.alloc(64)
  call.writeUInt32LE(number, 0)
  call.writeUInt32LE(architecture >>> 0, 4)
  for (const [index, value] of args.entries()) call.writeBigUInt64LE(value, 16 + index * 8)
  let accumulator = 0
  for (let at = 0; ; at++) {
    const code = program.readUInt16LE(at * 8)
    const value = program.readUInt32LE(at * 8 + 4)
    const jump = (isTrue: boolean) => program.readUInt8(at * 8 + (isTrue ? 2 : 3))
    if (code === 0x06) return value
    if (code === 0x20) accumulator = call.readUInt32LE(value)
    else if (code === 0x54) accumulator = (accumulator & value) >>> 0
    else if (code === 0x15) at += jump(accumulator === value)
    else if (code === 0x35) at += jump(accumulator >= value)
    else if (code === 0x05) at += value
    else assert.fail(`instruction ${code}`)
  }
}

const profileOf = (change: Partial<Parameters<typeof seccompProfile>[0]> = {}): SeccompProfile =>
  seccompProfile({ fsync: 'native', allowDebug: false, ...change }, process.arch)
const call = (profile: SeccompProfile, name: string, ...args: (number | bigint)[]) =>
  answer(compileSeccomp(profile, numbers), numbers.get(name) ?? assert.fail(name), args.map(BigInt))

test('namespaces, mounts, keys, modules, other processes and new interfaces are refused', () => {
  const names = `unshare setns mount umount2 pivot_root chroot fsopen fsmount move_mount open_tree mount_setattr ptrace
    process_vm_readv process_vm_writev kcmp pidfd_getfd bpf perf_event_open userfaultfd io_uring_setup io_uring_enter
    keyctl add_key request_key init_module finit_module delete_module kexec_load reboot swapon acct quotactl
    settimeofday clock_settime adjtimex sethostname setdomainname open_by_handle_at fanotify_init syslog vhangup
    move_pages mbind set_mempolicy`
  for (const name of names.split(/\s+/)) assert.equal(call(profileOf(), name), ERRNO | EPERM, name)
  assert.equal(call(profileOf(), 'clone3'), ERRNO | ENOSYS)
  assert.equal(call(profileOf({ allowDebug: true }), 'ptrace'), ALLOW)
})

test('sockets are of four families, netlink for routes only', () => {
  const allowed = (family: number | bigint, protocol = 0) =>
    call(profileOf(), 'socket', family, 1, protocol) === ALLOW
  for (let family = 0; family < 64; family++)
    assert.equal(allowed(family), [1, 2, 10, 16].includes(family), `family ${family}`)
  assert.equal(allowed(16, 12), false, 'netfilter')
  assert.equal(allowed(0x1_0000_0001n), false, 'bits that the kernel drops')
})

test('clone makes no namespace', () => {
  assert.equal(call(profileOf(), 'clone', 0x3d0f00), ALLOW)
  for (const flag of [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000])
    assert.equal(call(profileOf(), 'clone', 0x3d0f00 | flag), ERRNO | EPERM)
})

test('every request of ioctl but those that type into a terminal is allowed, whatever the upper half says', () => {
  const program = compileSeccomp(profileOf(), numbers)
  const number = numbers.get('ioctl') ?? 0
  const near = fc.integer({ min: 0x5400, max: 0x5430 })
  const request = fc.oneof(near, fc.integer({ min: 0, max: 0xffffffff }))
  fc.assert(
    fc.property(request, fc.integer({ min: 0, max: 0xffffffff }), (low, high) => {
      const found = answer(program, number, [0n, (BigInt(high) << 32n) | BigInt(low)])
      assert.equal(found, low === TIOCSTI || low === TIOCLINUX ? ERRNO | EPERM : ALLOW)
    }),
    { seed: SEED, numRuns: 2000 },
  )
})

test('relaxed answers what waits for the disk with success, native carries it out', () => {
  for (const name of ['fsync', 'fdatasync', 'sync', 'syncfs', 'sync_file_range']) {
    assert.equal(call(profileOf({ fsync: 'relaxed' }), name), ERRNO | 0, name)
    assert.equal(call(profileOf(), name), ALLOW, name)
  }
  const msync = (flags: number) => call(profileOf({ fsync: 'relaxed' }), 'msync', 0, 0, flags)
  assert.deepEqual([msync(4), msync(6), msync(1), msync(2)], [ERRNO, ERRNO, ALLOW, ALLOW])
})

test('another architecture ends the process, a call newer than the table is unknown', () => {
  const program = compileSeccomp(profileOf(), numbers)
  assert.equal(answer(program, 0, [], 0x40000003), KILL_PROCESS)
  assert.equal(answer(program, 100_000, []), ERRNO | ENOSYS)
  assert.equal(answer(program, 0x40000000, []), ERRNO | ENOSYS)
})
