import { posix } from 'node:path'
import { Failure } from '@holdfast/base/failure'
import type { ExecRequest } from '@holdfast/protocol/exec'
import type { FrameLink } from './frame-link.ts'
import { FLAG_MORE, FRAME, PAYLOAD_BYTES_MAX } from './frames.ts'
import { OUTPUT_WINDOW_BYTES } from './output-queue.ts'

const HEAD_BYTES = 20
const LIMIT_BYTES = 20
const REQUEST_BYTES_MAX = 4 * 1024 * 1024
const MARKER_BYTES_MAX = 63
const WISH = { stdin: 1, terminal: 2, root: 4 } as const

/** A limit of `setrlimit`, by the number of its resource; null: infinity. */
export interface ResourceLimit {
  readonly resource: number
  readonly soft: bigint | null
  readonly hard: bigint | null
}

export interface HoldinitCommand extends ExecRequest {
  /** Told again by the list of commands: how a host that was started anew knows which is which. At most 63 bytes. */
  readonly marker?: string
}

export interface CommandSurroundings {
  /** Where a relative directory starts. */
  readonly workspacePath: string
  readonly limits: readonly ResourceLimit[]
}

function limitBytes(limit: ResourceLimit): Buffer {
  const infinity = 2n ** 64n - 1n
  const bytes = Buffer.alloc(LIMIT_BYTES)
  bytes.writeUInt32LE(limit.resource, 0)
  bytes.writeBigUInt64LE(limit.soft ?? infinity, 4)
  bytes.writeBigUInt64LE(limit.hard ?? infinity, 12)
  return bytes
}

/** The request of docs/formats/holdinit.md. Throws `invalid-argument` on what no program can be given. */
export function encodeCommand(command: HoldinitCommand, surroundings: CommandSurroundings): Buffer {
  const variables = Object.entries(command.environment).map(([name, value]) => `${name}=${value}`)
  const marker = command.marker ?? ''
  const directory = posix.resolve(surroundings.workspacePath, command.cwd)
  const words = [marker, directory, ...command.argv, ...variables]
  if (words.some((word) => word.includes('\0'))) {
    throw new Failure('invalid-argument', 'a command, its directory and its variables hold no zero bytes')
  }
  if (Buffer.byteLength(marker) > MARKER_BYTES_MAX) {
    throw new Failure('invalid-argument', `the marker has more than ${MARKER_BYTES_MAX} bytes`)
  }
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUInt32LE(OUTPUT_WINDOW_BYTES, 0)
  head.writeUInt16LE(command.terminal?.columns ?? 0, 4)
  head.writeUInt16LE(command.terminal?.rows ?? 0, 6)
  head[8] =
    (command.stdin ? WISH.stdin : 0) |
    (command.terminal === undefined ? 0 : WISH.terminal) |
    (command.user === 'root' ? WISH.root : 0)
  head[9] = surroundings.limits.length
  head.writeUInt32LE(command.argv.length, 12)
  head.writeUInt32LE(variables.length, 16)
  const request = Buffer.concat([
    head,
    ...surroundings.limits.map(limitBytes),
    Buffer.from(`${words.join('\0')}\0`),
  ])
  if (request.length > REQUEST_BYTES_MAX) {
    throw new Failure('too-large', 'the command and its variables are longer than the kernel takes')
  }
  return request
}

/** In as many frames as it takes. */
export function sendCommand(link: FrameLink, id: number, request: Buffer): void {
  for (let at = 0; at < request.length; at += PAYLOAD_BYTES_MAX) {
    const isLast = at + PAYLOAD_BYTES_MAX >= request.length
    link.send(FRAME.exec, id, request.subarray(at, at + PAYLOAD_BYTES_MAX), isLast ? 0 : FLAG_MORE)
  }
}
