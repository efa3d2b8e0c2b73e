import { isPageBytes } from '../sqlite/database-header.ts'
import { databasePagesMax } from '../sqlite/database-state.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteString } from './byte-string.ts'
import type { ByteWriter } from './byte-writer.ts'
import { CHUNK_ID_BYTES, type ChunkId } from './chunk-id.ts'
import { type Content, readContent, writeContent } from './content.ts'

export interface Xattr {
  /** With its `user.` prefix. */
  readonly name: ByteString
  readonly value: ByteString
}

export interface Attributes {
  /** Permission bits with set-id and sticky: 0 to 0o7777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint
  readonly xattrs: readonly Xattr[]
}

/** A regular file. Files with the same `link` (not 0) are one file under several names. */
export interface FileEntry {
  readonly kind: 'file'
  readonly name: ByteString
  readonly attributes: Attributes
  readonly link: number
  readonly content: Content
}

export interface DirectoryEntry {
  readonly kind: 'directory'
  readonly name: ByteString
  readonly attributes: Attributes
  readonly node: ChunkId
}

export interface SymlinkEntry {
  readonly kind: 'symlink'
  readonly name: ByteString
  readonly attributes: Attributes
  readonly target: ByteString
}

/** A run of page changes; `level` counts how often it was merged from smaller ones. */
export interface DeltaRef {
  readonly level: number
  readonly content: Content
}

/** A SQLite database as a page log: the bytes of `base`, then each delta over it, oldest first. */
export interface DatabaseEntry {
  readonly kind: 'database'
  readonly name: ByteString
  readonly attributes: Attributes
  readonly pageBytes: number
  readonly pageCount: number
  /** Rolling checksum over all pages after the last delta, 16 hex digits. */
  readonly checksum: string
  readonly base: Content
  readonly deltas: readonly DeltaRef[]
}

export type Entry = FileEntry | DirectoryEntry | SymlinkEntry | DatabaseEntry

/*
 *     entry      := string name, u8 kind, attributes, body
 *     attributes := varint mode, varint uid, varint gid, i64 mtime-ns, varint xattrs, (string name, string value)*
 *     body       := file: varint link, content          directory: 32-byte node id
 *                   symlink: string target              database: varint page-bytes, varint page-count, 8-byte
 *                                                       checksum, content, varint deltas, (u8 level, content)*
 */
const FILE = 1
const DIRECTORY = 2
const SYMLINK = 3
const DATABASE = 4

const MODE_MAX = 0o7777
const OWNER_MAX = 0xffff_ffff
/** The kernel takes links to paths below 4,096 bytes. */
const TARGET_BYTES_MAX = 4095

export function writeEntry(writer: ByteWriter, entry: Entry): void {
  writer.string(entry.name)
  switch (entry.kind) {
    case 'file':
      writeAttributes(writer.u8(FILE), entry.attributes)
      writeContent(writer.varint(entry.link), entry.content)
      break
    case 'directory':
      writeAttributes(writer.u8(DIRECTORY), entry.attributes)
      writer.latin1(entry.node)
      break
    case 'symlink':
      writeAttributes(writer.u8(SYMLINK), entry.attributes)
      writer.string(entry.target)
      break
    case 'database':
      writeAttributes(writer.u8(DATABASE), entry.attributes)
      writeDatabaseBody(writer, entry)
      break
  }
}

function writeAttributes(writer: ByteWriter, attributes: Attributes): void {
  writer.varint(attributes.mode).varint(attributes.uid).varint(attributes.gid).i64(attributes.mtimeNs)
  writer.varint(attributes.xattrs.length)
  for (const xattr of attributes.xattrs) writer.string(xattr.name).string(xattr.value)
}

function writeDatabaseBody(writer: ByteWriter, entry: DatabaseEntry): void {
  writer.varint(entry.pageBytes).varint(entry.pageCount).bytes(Buffer.from(entry.checksum, 'hex'))
  writeContent(writer, entry.base)
  writer.varint(entry.deltas.length)
  for (const delta of entry.deltas) writeContent(writer.u8(delta.level), delta.content)
}

const KINDS: Readonly<Record<number, Entry['kind']>> = {
  [FILE]: 'file',
  [DIRECTORY]: 'directory',
  [SYMLINK]: 'symlink',
  [DATABASE]: 'database',
}

/** The kind of an encoded entry without decoding it: the byte behind the name and its one- or two-byte length. */
export function kindOfEntry(raw: {
  readonly name: ByteString
  readonly bytes: Uint8Array
}): Entry['kind'] | undefined {
  return KINDS[raw.bytes[raw.name.length + (raw.name.length < 0x80 ? 1 : 2)] ?? 0]
}

export function readEntry(reader: ByteReader): Entry {
  const name = reader.string()
  const kind = reader.u8()
  const attributes = readAttributes(reader)
  switch (kind) {
    case FILE:
      return { kind: 'file', name, attributes, link: reader.varint(), content: readContent(reader) }
    case DIRECTORY:
      return { kind: 'directory', name, attributes, node: reader.latin1(CHUNK_ID_BYTES) }
    case SYMLINK:
      return { kind: 'symlink', name, attributes, target: readTarget(reader) }
    case DATABASE:
      return readDatabaseBody(reader, name, attributes)
    default:
      return reader.fail(`an entry has the unknown kind ${kind}`)
  }
}

/** What a restore sets is checked here: stored bytes may not bring values that no commit wrote. */
function readAttributes(reader: ByteReader): Attributes {
  const mode = reader.varint()
  const uid = reader.varint()
  const gid = reader.varint()
  if (mode > MODE_MAX || uid > OWNER_MAX || gid > OWNER_MAX) reader.fail('a mode or an owner out of range')
  const mtimeNs = reader.i64()
  const xattrs: Xattr[] = []
  const count = reader.count(2)
  for (let index = 0; index < count; index++) {
    const name = reader.string()
    if (!/^user\.[^\0]+$/s.test(name)) reader.fail('an attribute that is not of the user')
    xattrs.push({ name, value: reader.string() })
  }
  return { mode, uid, gid, mtimeNs, xattrs }
}

function readTarget(reader: ByteReader): ByteString {
  const target = reader.string()
  if (target === '' || target.length > TARGET_BYTES_MAX || target.includes('\0'))
    reader.fail('the target of a link is no path')
  return target
}

function readDatabaseBody(reader: ByteReader, name: ByteString, attributes: Attributes): DatabaseEntry {
  const pageBytes = reader.varint()
  const pageCount = reader.varint()
  if (!isPageBytes(pageBytes) || pageCount > databasePagesMax) reader.fail('a database of impossible pages')
  const checksum = reader.bytes(8).toString('hex')
  const base = readContent(reader)
  const deltas: DeltaRef[] = []
  const count = reader.count(2)
  for (let index = 0; index < count; index++)
    deltas.push({ level: reader.u8(), content: readContent(reader) })
  return { kind: 'database', name, attributes, pageBytes, pageCount, checksum, base, deltas }
}
