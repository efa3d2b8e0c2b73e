import type { SeccompProfile } from './seccomp-profile.ts'

/** Numbers of system calls by name, of one architecture. */
export type SyscallNumbers = ReadonlyMap<string, number>

/** Lines of `name number`, as native/syscalls/build.sh writes them. */
export function parseSyscallNumbers(text: string): SyscallNumbers {
  const pairs = text.split('\n').map((line) => line.split(' '))
  return new Map(pairs.flatMap(([name, number]) => (name && number ? [[name, Number(number)]] : [])))
}

/** One instruction of classic BPF: struct sock_filter of linux/filter.h. */
interface Instruction {
  readonly code: number
  readonly jumpTrue: number
  readonly jumpFalse: number
  readonly value: number
}

const INSTRUCTION_BYTES = 8
const LOAD = 0x20 // BPF_LD | BPF_W | BPF_ABS
const AND = 0x54 // BPF_ALU | BPF_AND | BPF_K
const JUMP = 0x05 // BPF_JMP | BPF_JA
const IF_EQUAL = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
const IF_AT_LEAST = 0x35 // BPF_JMP | BPF_JGE | BPF_K
const RETURN = 0x06 // BPF_RET | BPF_K

/** Offsets in struct seccomp_data of linux/seccomp.h. */
const NUMBER_AT = 0
const ARCHITECTURE_AT = 4
const ARGUMENTS_AT = 16
const ARGUMENT_BYTES = 8

const KILL_PROCESS = 0x80000000
const ERRNO = 0x00050000
const ALLOW = 0x7fff0000
const ENOSYS = 38
/** The second table of x86-64 has numbers from here on; it is not served. */
const X32_BIT = 0x40000000
const AUDIT_ARCHITECTURES: Readonly<Record<string, number>> = {
  SCMP_ARCH_X86_64: 0xc000003e,
  SCMP_ARCH_AARCH64: 0xc00000b7,
}

type Rule = SeccompProfile['syscalls'][number]
type Condition = NonNullable<Rule['args']>[number]

/**
 * The profile as a program for the kernel (seccomp(2)), where no runc compiles it. The first rule of a call that holds
 * decides. Calls that are newer than the table are unknown, not forbidden: programs then fall back to older ones. Pure.
 */
export function compileSeccomp(profile: SeccompProfile, numbers: SyscallNumbers): Buffer {
  const architecture = AUDIT_ARCHITECTURES[profile.architectures[0] ?? ''] ?? 0
  const newest = Math.max(...[...numbers.values()].filter((number) => number < X32_BIT))
  const program = [
    load(ARCHITECTURE_AT),
    { code: IF_EQUAL, jumpTrue: 1, jumpFalse: 0, value: architecture },
    verdict(KILL_PROCESS),
    load(NUMBER_AT),
    { code: IF_AT_LEAST, jumpTrue: 0, jumpFalse: 1, value: newest + 1 },
    verdict(ERRNO | ENOSYS),
    ...rulesByName(profile).flatMap(([name, rules]) => {
      const number = numbers.get(name)
      return number === undefined ? [] : callBlock(number, rules, profile.defaultErrnoRet)
    }),
    verdict(ERRNO | profile.defaultErrnoRet),
  ]
  const bytes = Buffer.alloc(program.length * INSTRUCTION_BYTES)
  for (const [index, { code, jumpTrue, jumpFalse, value }] of program.entries()) {
    const at = index * INSTRUCTION_BYTES
    bytes.writeUInt16LE(code, at)
    bytes.writeUInt8(jumpTrue, at + 2)
    bytes.writeUInt8(jumpFalse, at + 3)
    bytes.writeUInt32LE(value >>> 0, at + 4)
  }
  return bytes
}

function rulesByName(profile: SeccompProfile): [string, Rule[]][] {
  const byName = new Map<string, Rule[]>()
  for (const rule of profile.syscalls)
    for (const name of rule.names) byName.set(name, [...(byName.get(name) ?? []), rule])
  return [...byName]
}

/** What decides one call, jumped over by all others; the accumulator holds the number before and after it. */
function callBlock(number: number, rules: readonly Rule[], otherErrno: number): Instruction[] {
  const [only] = rules
  if (only !== undefined && (only.args ?? []).length === 0)
    return [{ code: IF_EQUAL, jumpTrue: 0, jumpFalse: 1, value: number }, ruleVerdict(only)]
  const body = [...rules.flatMap(ruleBlock), verdict(ERRNO | otherErrno)]
  // A jump reaches 255 instructions: a long block is reached by a jump that has no such bound.
  return [
    { code: IF_EQUAL, jumpTrue: 1, jumpFalse: 0, value: number },
    { code: JUMP, jumpTrue: 0, jumpFalse: 0, value: body.length },
    ...body,
  ]
}

/** The rule's verdict if all its conditions hold, else on to what follows. */
function ruleBlock(rule: Rule): Instruction[] {
  const tests = (rule.args ?? []).flatMap(conditionTests)
  const lengths = tests.map((test) => test.length)
  return [
    ...tests.flatMap((test, index) => {
      const behind = lengths.slice(index + 1).reduce((sum, length) => sum + length, 0) + 1
      return [...test.slice(0, -1), { ...last(test), jumpFalse: behind }]
    }),
    ruleVerdict(rule),
  ]
}

/** A condition is two comparisons, of the upper and of the lower half of the register. */
function conditionTests({ index, value, valueTwo, op }: Condition): Instruction[][] {
  const at = ARGUMENTS_AT + index * ARGUMENT_BYTES
  const isMasked = op === 'SCMP_CMP_MASKED_EQ'
  const wanted = isMasked ? (valueTwo ?? 0) : value
  const equals = (half: number): Instruction => ({ code: IF_EQUAL, jumpTrue: 0, jumpFalse: 0, value: half })
  const lower = isMasked
    ? [load(at), { code: AND, jumpTrue: 0, jumpFalse: 0, value }, equals(wanted)]
    : [load(at), equals(wanted)]
  // Masks and values have 32 bits: an unmasked upper half must be empty.
  return isMasked ? [lower] : [[load(at + 4), equals(0)], lower]
}

function last(test: readonly Instruction[]): Instruction {
  return test[test.length - 1] ?? verdict(KILL_PROCESS)
}

function load(offset: number): Instruction {
  return { code: LOAD, jumpTrue: 0, jumpFalse: 0, value: offset }
}

function verdict(value: number): Instruction {
  return { code: RETURN, jumpTrue: 0, jumpFalse: 0, value }
}

function ruleVerdict(rule: Rule): Instruction {
  return verdict(rule.action === 'SCMP_ACT_ALLOW' ? ALLOW : ERRNO | (rule.errnoRet ?? 0))
}
