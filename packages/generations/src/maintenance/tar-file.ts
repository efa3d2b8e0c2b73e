import { createHash } from 'node:crypto'
import { readSync, writeSync } from 'node:fs'
import { Failure } from '@holdfast/base/failure'

/*
 * The part of the ustar format (POSIX.1-1988, pax(1)) that a bundle needs: regular files with short names. A header is
 * 512 bytes of text fields, its checksum the sum of its bytes with the checksum field as spaces; contents are padded
 * to 512; two zero blocks end the file. The reader accepts nothing that the writer does not write, down to the padding.
 */
const BLOCK_BYTES = 512
const NAME_BYTES_MAX = 100
/** Eleven octal digits. */
const MEMBER_BYTES_MAX = 8 ** 11 - 1
/** A member is read into memory whole. */
const READ_BYTES_MAX = 1 << 30

export interface TarMember {
  readonly name: string
  readonly bytes: number
  /** Where its contents begin in the file. */
  readonly offset: number
  /** SHA-256 of its contents, 64 hex digits. */
  readonly sha256: string
}

/** Writes members one after another into an open, empty file. */
export class TarWriter {
  readonly members: TarMember[] = []
  readonly #fd: number
  #position = 0

  constructor(fd: number) {
    this.#fd = fd
  }

  add(name: string, parts: readonly Uint8Array[]): void {
    const bytes = parts.reduce((sum, part) => sum + part.length, 0)
    const hash = createHash('sha256')
    this.#write(encodeHeader(name, bytes))
    const offset = this.#position
    for (const part of parts) {
      hash.update(part)
      this.#write(part)
    }
    this.#write(Buffer.alloc(paddingOf(bytes)))
    this.members.push({ name, bytes, offset, sha256: hash.digest('hex') })
  }

  end(): void {
    this.#write(Buffer.alloc(2 * BLOCK_BYTES))
  }

  #write(bytes: Uint8Array): void {
    for (let written = 0; written < bytes.length; )
      written += writeSync(this.#fd, bytes, written, bytes.length - written, this.#position + written)
    this.#position += bytes.length
  }
}

/** Reads the members of an open file in order, hashing each. Rejects with `foreign-format` or `object-corrupt`. */
export function readMembers(fd: number): TarMember[] {
  const members: TarMember[] = []
  let position = 0
  for (;;) {
    const header = readExactly(fd, BLOCK_BYTES, position)
    if (isZero(header)) break
    const { name, bytes } = decodeHeader(header, position)
    const offset = position + BLOCK_BYTES
    members.push({ name, bytes, offset, sha256: hashOf(fd, bytes, offset) })
    if (!isZero(readExactly(fd, paddingOf(bytes), offset + bytes))) throw damaged(offset + bytes)
    position = offset + bytes + paddingOf(bytes)
  }
  if (!isZero(readExactly(fd, BLOCK_BYTES, position + BLOCK_BYTES))) throw damaged(position)
  if (readSync(fd, Buffer.alloc(1), 0, 1, position + 2 * BLOCK_BYTES) !== 0) throw damaged(position)
  return members
}

/** A member's contents. */
export function readMember(fd: number, member: TarMember): Buffer {
  if (member.bytes > READ_BYTES_MAX) throw damaged(member.offset)
  return readExactly(fd, member.bytes, member.offset)
}

function hashOf(fd: number, bytes: number, offset: number): string {
  const hash = createHash('sha256')
  for (let done = 0; done < bytes; ) {
    const window = readExactly(fd, Math.min(bytes - done, 1 << 20), offset + done)
    hash.update(window)
    done += window.length
  }
  return hash.digest('hex')
}

function readExactly(fd: number, bytes: number, position: number): Buffer {
  const buffer = Buffer.allocUnsafeSlow(bytes)
  for (let filled = 0; filled < bytes; ) {
    const read = readSync(fd, buffer, filled, bytes - filled, position + filled)
    if (read === 0) throw new Failure('object-corrupt', 'the bundle ends early', { at: position + filled })
    filled += read
  }
  return buffer
}

function encodeHeader(name: string, bytes: number): Buffer {
  if (!/^[\x21-\x7e]{1,100}$/.test(name) || bytes > MEMBER_BYTES_MAX)
    throw new Failure('invalid-argument', `not a member of a bundle: ${name}`, { name, bytes })
  const header = Buffer.alloc(BLOCK_BYTES)
  header.write(name, 0, NAME_BYTES_MAX, 'latin1')
  header.write('0000600\0', 100, 'latin1')
  header.write('0000000\0', 108, 'latin1')
  header.write('0000000\0', 116, 'latin1')
  header.write(`${bytes.toString(8).padStart(11, '0')}\0`, 124, 'latin1')
  header.write(`${'0'.repeat(11)}\0`, 136, 'latin1')
  header.write(' '.repeat(8), 148, 'latin1')
  header.write('0', 156, 'latin1')
  header.write('ustar\x0000', 257, 'latin1')
  let sum = 0
  for (const byte of header) sum += byte
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return header
}

/** The name and size in a header that is, byte for byte, one that the writer writes. */
function decodeHeader(header: Buffer, at: number): { readonly name: string; readonly bytes: number } {
  const magic = header.toString('latin1', 257, 263)
  if (at === 0 && magic !== 'ustar\0') throw new Failure('foreign-format', 'not a bundle')
  const name = header.toString('latin1', 0, NAME_BYTES_MAX).replace(/\0.*$/s, '')
  const size = header.toString('latin1', 124, 135)
  if (!/^[0-7]{11}$/.test(size) || !/^[\x21-\x7e]{1,100}$/.test(name)) throw damaged(at)
  const bytes = Number.parseInt(size, 8)
  if (!encodeHeader(name, bytes).equals(header)) throw damaged(at)
  return { name, bytes }
}

function paddingOf(bytes: number): number {
  return (BLOCK_BYTES - (bytes % BLOCK_BYTES)) % BLOCK_BYTES
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}

function damaged(at: number): Failure {
  return new Failure('object-corrupt', 'the bundle is damaged', { at })
}
