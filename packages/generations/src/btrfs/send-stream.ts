import { crc32cRegister } from './crc32c.ts'
import { SendAttributes, streamCorrupt } from './send-attributes.ts'
import { ATTRIBUTE, COMMANDS, type CommandName, STREAM_VERSION_MAX } from './send-format.ts'

/*
 * stream   "btrfs-stream\0"  u32 version  command*  (all numbers little-endian)
 * command  u32 length of the attributes  u16 number  u32 crc  attribute*
 * crc      CRC-32C register from 0 over the command, its own four bytes taken as zero
 * The last command is `end`. Source: fs/btrfs/send.h and send.c of Linux.
 */
const MAGIC = Buffer.from('btrfs-stream\0', 'latin1')
const HEADER_BYTES = MAGIC.length + 4
const COMMAND_HEADER_BYTES = 10
const CRC_OFFSET = 6
const CRC_AS_ZERO = Buffer.alloc(4)

const FALLOCATE_KEEP_SIZE = 1
const FALLOCATE_PUNCH_HOLE = 2
const FALLOCATE_ZERO_RANGE = 16
const FALLOCATE_UNSHARE_RANGE = 64
/** Modes that leave every byte outside their range where it is. */
const FALLOCATE_IN_PLACE =
  FALLOCATE_KEEP_SIZE | FALLOCATE_PUNCH_HOLE | FALLOCATE_ZERO_RANGE | FALLOCATE_UNSHARE_RANGE

/** A path relative to the snapshot, one character a byte; '' is the snapshot's root. */
export type BytePath = string

/** Why the meaning of an undamaged stream stays unknown. */
export type UnreadableReason = 'unknown-version' | 'unknown-command' | 'unknown-attribute' | 'number-too-big'

type PathCommandName = Exclude<CommandName, 'rename' | 'link' | RangeCommandName | 'truncate' | 'end'>
type RangeCommandName = 'write' | 'clone' | 'updateExtent' | 'encodedWrite' | 'fallocate'

/**
 * One command, reduced to what it does to paths and to ranges of bytes. For `clone` the range is the destination;
 * for `symlink` the target is left out. `link` adds the name `path` to the file that is at `pathLink`.
 * `unreadable` is the last thing said of a stream that this code cannot follow any further.
 */
export type SendCommand =
  | { readonly name: PathCommandName; readonly path: BytePath }
  | { readonly name: 'rename'; readonly path: BytePath; readonly pathTo: BytePath }
  | { readonly name: 'link'; readonly path: BytePath; readonly pathLink: BytePath }
  | { readonly name: RangeCommandName; readonly path: BytePath; readonly start: number; readonly end: number }
  | { readonly name: 'truncate'; readonly path: BytePath; readonly sizeBytes: number }
  | { readonly name: 'end' }
  | { readonly name: 'unreadable'; readonly reason: UnreadableReason }

/**
 * The commands of a btrfs send stream of version 1, 2 or 3, in order; the last is `end` or `unreadable`.
 * Throws `stream-corrupt` at the first byte that is missing, superfluous or contradicts its checksum; commands
 * yielded before that are sound, the stream as a whole is not.
 */
export function* parseSendStream(stream: Uint8Array): Generator<SendCommand, void, void> {
  const bytes = Buffer.from(stream.buffer, stream.byteOffset, stream.byteLength)
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw streamCorrupt('it does not begin as one', 0)
  }
  const version = bytes.readUInt32LE(MAGIC.length)
  if (version < 1 || version > STREAM_VERSION_MAX) {
    yield { name: 'unreadable', reason: 'unknown-version' }
    return
  }
  const attributes = new SendAttributes(bytes, version)
  let at = HEADER_BYTES
  while (true) {
    const end = soundCommandEnd(bytes, at)
    const row = COMMANDS.get(bytes.readUInt16LE(at + 4))
    const command: SendCommand =
      row === undefined || row.since > version
        ? { name: 'unreadable', reason: 'unknown-command' }
        : attributes.load(at + COMMAND_HEADER_BYTES, end)
          ? decode(row.name, attributes)
          : { name: 'unreadable', reason: 'unknown-attribute' }
    if (command.name === 'end' && end !== bytes.length) throw streamCorrupt('bytes follow its end', end)
    yield command
    if (command.name === 'end' || command.name === 'unreadable') return
    at = end
  }
}

/** Where the command at `at` ends, its checksum being right. */
function soundCommandEnd(bytes: Buffer, at: number): number {
  if (bytes.length - at < COMMAND_HEADER_BYTES) throw streamCorrupt('it stops before its end', at)
  const end = at + COMMAND_HEADER_BYTES + bytes.readUInt32LE(at)
  if (end > bytes.length) throw streamCorrupt('it stops inside a command', at)
  let register = crc32cRegister(0, bytes, at, at + CRC_OFFSET)
  register = crc32cRegister(register, CRC_AS_ZERO)
  register = crc32cRegister(register, bytes, at + COMMAND_HEADER_BYTES, end)
  if (register !== bytes.readInt32LE(at + CRC_OFFSET)) throw streamCorrupt('a checksum is wrong', at)
  return end
}

function decode(name: CommandName, attributes: SendAttributes): SendCommand {
  switch (name) {
    case 'rename':
      return { name, path: attributes.path(ATTRIBUTE.path), pathTo: attributes.path(ATTRIBUTE.pathTo) }
    case 'link':
      return { name, path: attributes.path(ATTRIBUTE.path), pathLink: attributes.path(ATTRIBUTE.pathLink) }
    case 'write':
      return range(name, attributes, attributes.lengthBytes(ATTRIBUTE.bytes))
    case 'clone':
      return range(name, attributes, attributes.u64(ATTRIBUTE.cloneLength))
    case 'updateExtent':
      return range(name, attributes, attributes.u64(ATTRIBUTE.sizeBytes))
    case 'encodedWrite':
      return range(name, attributes, attributes.u64(ATTRIBUTE.unencodedFileLength))
    case 'fallocate':
      if ((attributes.u32(ATTRIBUTE.fallocateMode) & ~FALLOCATE_IN_PLACE) !== 0) {
        return { name: 'unreadable', reason: 'unknown-attribute' }
      }
      return range(name, attributes, attributes.u64(ATTRIBUTE.sizeBytes))
    case 'truncate': {
      const sizeBytes = attributes.u64(ATTRIBUTE.sizeBytes)
      if (!Number.isSafeInteger(sizeBytes)) return { name: 'unreadable', reason: 'number-too-big' }
      return { name, path: attributes.path(ATTRIBUTE.path), sizeBytes }
    }
    case 'end':
      return { name }
    case 'subvol':
    case 'snapshot':
    case 'mkfile':
    case 'mkdir':
    case 'mknod':
    case 'mkfifo':
    case 'mksock':
    case 'symlink':
    case 'unlink':
    case 'rmdir':
    case 'setXattr':
    case 'removeXattr':
    case 'chmod':
    case 'chown':
    case 'utimes':
    case 'fileattr':
    case 'enableVerity':
      return { name, path: attributes.path(ATTRIBUTE.path) }
  }
}

function range(name: RangeCommandName, attributes: SendAttributes, lengthBytes: number): SendCommand {
  const start = attributes.u64(ATTRIBUTE.fileOffset)
  const end = start + lengthBytes
  if (!Number.isSafeInteger(end)) return { name: 'unreadable', reason: 'number-too-big' }
  return { name, path: attributes.path(ATTRIBUTE.path), start, end }
}
