import { crc32cRegister } from './crc32c.ts'

const COMMAND = {
  subvol: 1,
  snapshot: 2,
  mkfile: 3,
  mkdir: 4,
  mknod: 5,
  mkfifo: 6,
  mksock: 7,
  symlink: 8,
  rename: 9,
  link: 10,
  unlink: 11,
  rmdir: 12,
  setXattr: 13,
  removeXattr: 14,
  write: 15,
  clone: 16,
  truncate: 17,
  chmod: 18,
  chown: 19,
  utimes: 20,
  end: 21,
  updateExtent: 22,
  fallocate: 23,
  fileattr: 24,
  encodedWrite: 25,
  enableVerity: 26,
} as const

export type EncodedCommandName = keyof typeof COMMAND
export const encodedCommandNames = Object.keys(COMMAND) as readonly EncodedCommandName[]

/** Numbers are unsigned and of 8 bytes; strings are bytes, one a character. */
export type Attributes = readonly (readonly [type: number, value: number | bigint | string | Buffer])[]

const PATH = 15
const PATH_TO = 16
const PATH_LINK = 17
const FILE_OFFSET = 18
const FILE_BYTES = 19

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

export function encodeAttributes(attributes: Attributes, version = 1): Buffer {
  const parts = attributes.map(([type, value]) => {
    const bytes = Buffer.isBuffer(value) ? value : encodeValue(value)
    const header = Buffer.alloc(4)
    header.writeUInt16LE(type, 0)
    header.writeUInt16LE(Math.min(bytes.length, 0xffff), 2)
    return Buffer.concat([type === FILE_BYTES && version >= 2 ? header.subarray(0, 2) : header, bytes])
  })
  return Buffer.concat(parts)
}

function encodeValue(value: number | bigint | string): Buffer {
  if (typeof value === 'string') return Buffer.from(value, 'latin1')
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

/** One command with a right checksum over whatever `payload` holds. */
export function encodeCommand(number: number, payload: Buffer): Buffer {
  const command = Buffer.concat([Buffer.alloc(10), payload])
  command.writeUInt32LE(payload.length, 0)
  command.writeUInt16LE(number, 4)
  command.writeInt32LE(crc32cRegister(0, command), 6)
  return command
}

export function streamHeader(version = 1): Buffer {
  return Buffer.concat([Buffer.from('btrfs-stream\0'), u32(version)])
}

export function command(name: EncodedCommandName, attributes: Attributes = [], version = 1): Buffer {
  return encodeCommand(COMMAND[name], encodeAttributes(attributes, version))
}

/** `commands` between the `snapshot` and the `end` of an incremental stream. */
export function incrementalStream(commands: readonly Buffer[], version = 1): Buffer {
  return Buffer.concat([
    streamHeader(version),
    command('snapshot', [[PATH, 'new']], version),
    ...commands,
    command('end', [], version),
  ])
}

export const encode = {
  at: (name: EncodedCommandName, path: string) => command(name, [[PATH, path]]),
  rename: (from: string, to: string) =>
    command('rename', [
      [PATH, from],
      [PATH_TO, to],
    ]),
  link: (path: string, existing: string) =>
    command('link', [
      [PATH, path],
      [PATH_LINK, existing],
    ]),
  truncate: (path: string, sizeBytes: number | bigint) =>
    command('truncate', [
      [PATH, path],
      [4, sizeBytes],
    ]),
  extent: (path: string, start: number | bigint, lengthBytes: number | bigint) =>
    command('updateExtent', [
      [PATH, path],
      [FILE_OFFSET, start],
      [4, lengthBytes],
    ]),
  clone: (path: string, start: number, lengthBytes: number) =>
    command('clone', [
      [FILE_OFFSET, start],
      [24, lengthBytes],
      [PATH, path],
      [22, 'source'],
      [23, 4096],
    ]),
} as const

/**
 * What Linux 6.18 sends, by `btrfs send --no-data`, of two snapshots of a directory: a directory renamed with an
 * append to one of two names of a file in it, a truncation, a reflinked copy, an unlink, a chmod and a symlink.
 */
export const capturedStream = Buffer.from(
  `
YnRyZnMtc3RyZWFtAAEAAABFAAAAAgDi51uwDwABAEIBABAAX+J2m8EUqkmi8B6HbhJPCQIACAAIAAAAAAAAABQAEABEt65EgLSrS49B
ivBRA8aYFQAIAAcAAAAAAAAACgAAAAkAyBFRmQ8AAQBkEAABAGUeAAAAFgA6xjUlDwACAGhsEgAIAAAAAAAAAAAABAAIAAgAAAAAAAAA
NgAAABQASg8xzg8AAgBobAsADABdFwFrAAAAALavACcKAAwAXRcBawAAAAD7ebonCQAMAF0XAWsAAAAA+3m6JxMAAAARAIdqo78PAAMA
YmlnBAAIAFDDAAAAAAAANwAAABQAU6KU2w8AAwBiaWcLAAwAXRcBawAAAAC2rwAnCgAMAF0XAWsAAAAA+3m6JwkADABdFwFrAAAAAPt5
uicIAAAACwDcfUcJDwAEAGdvbmUYAAAAAwCio8z3DwAIAG8yNjEtOC0wAwAIAAUBAAAAAAAAFAAAAAkAi71moA8ACABvMjYxLTgtMBAA
BABjb3B5FAAAABEA5vWHSA8ABABjb3B5BAAIAAAAAAAAAAAAUwAAABAAP7HcxhIACAAAAAAAAAAAABgACABQwwAAAAAAAA8ABABjb3B5
FAAQAF/idpvBFKpJovAeh24STwkVAAgACAAAAAAAAAAWAAMAYmlnFwAIAAAAAAAAAAAAIAAAABMAFxdNGA8ABABjb3B5BgAIAAAAAAAA
AAAABwAIAAAAAAAAAAAAFAAAABIAaxcHUw8ABABjb3B5BQAIAIABAAAAAAAAOAAAABQAHjirQA8ABABjb3B5CwAMAF0XAWsAAAAA+3m6
JwoADABdFwFrAAAAAPt5uicJAAwAXRcBawAAAACOfAAoHQAAAAgA1ijp2A8ACABvMjYyLTgtMAMACAAGAQAAAAAAABEAAQBxEwAAAAkA
s3gxmA8ACABvMjYyLTgtMBAAAwBzeW0fAAAAEwD0GR5LDwADAHN5bQYACAAAAAAAAAAAAAcACAAAAAAAAAAAADcAAAAUAOYNOssPAAMA
c3ltCwAMAF0XAWsAAAAAjnwAKAoADABdFwFrAAAAAI58ACgJAAwAXRcBawAAAACOfAAoNAAAABQA/Ql8iA8AAAALAAwAXRcBawAAAAAm
rqMmCgAMAF0XAWsAAAAAwtUtKAkADABdFwFrAAAAAMLVLSg1AAAAFAAhstDpDwABAGULAAwAXRcBawAAAAAmrqMmCgAMAF0XAWsAAAAA
wtUtKAkADABdFwFrAAAAAMLVLSgAAAAAFQBQbMmd`,
  'base64',
)
