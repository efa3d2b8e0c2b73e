import { Failure } from '@holdfast/base/failure'

/*
 * ustar with the extensions that images have: pax records for paths, links and sizes, and GNU's long names.
 *
 *     name[100] mode[8] uid[8] gid[8] size[12] mtime[12] sum[8] type[1] link[100] magic[6] version[2] … prefix[155]
 */
const BLOCK_BYTES = 512
const EXTENSION_BYTES_MAX = 1 << 20

export interface TarEntry {
  readonly path: string
  readonly kind: 'file' | 'directory' | 'link' | 'hard-link' | 'other'
  readonly mode: number
  /** Of links, as written. */
  readonly target: string
  /** Of a file; what is not read is passed over. */
  content(): AsyncIterable<Buffer>
}

const KINDS: Readonly<Record<string, TarEntry['kind']>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hard-link',
  '2': 'link',
  '5': 'directory',
}

/** The entries of an archive, one after another. Rejects with `image-refused` for what is no archive. */
export async function* readTar(bytes: AsyncIterable<Buffer>): AsyncGenerator<TarEntry> {
  const source = new ByteSource(bytes)
  let extended: Extensions = {}
  for (;;) {
    const header = await source.take(BLOCK_BYTES, true)
    if (header === undefined || header.every((byte) => byte === 0)) return
    assertSum(header)
    const type = String.fromCharCode(header[156] ?? 0)
    if ('xgLK'.includes(type)) {
      const more = await readExtension(source, type, numberIn(header, 124, 12))
      if (type !== 'g') extended = { ...extended, ...more }
      continue
    }
    const entry = entryOf(header, type, extended)
    let unread = entry.storedBytes
    yield {
      ...entry,
      async *content() {
        while (unread > 0) {
          const part = await source.some(unread)
          unread -= part.length
          yield part
        }
      },
    }
    await source.skip(unread)
    await source.take(paddingOf(entry.storedBytes), true) // some writers leave the last one out
    extended = {}
  }
}

interface Extensions {
  readonly path?: string
  readonly linkpath?: string
  readonly size?: string
  readonly sparse?: string
}

function entryOf(header: Buffer, type: string, { path, linkpath, size, sparse }: Extensions) {
  if (sparse !== undefined) throw damaged('a sparse file')
  const kind = KINDS[type] ?? 'other'
  const sizeBytes = size === undefined ? numberIn(header, 124, 12) : Number(size)
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw damaged('a size that is none')
  return {
    path: path ?? pathIn(header),
    kind,
    mode: numberIn(header, 100, 8) & 0o7777,
    target: linkpath ?? textIn(header, 157, 100),
    storedBytes: kind === 'file' || kind === 'other' ? sizeBytes : 0,
  }
}

async function readExtension(source: ByteSource, type: string, sizeBytes: number): Promise<Extensions> {
  if (sizeBytes > EXTENSION_BYTES_MAX) throw damaged('a name without end')
  const content = (await source.take(sizeBytes)) ?? Buffer.alloc(0)
  await source.skip(paddingOf(sizeBytes))
  return extensionOf(type, content)
}

/** Bytes as they come, taken in the pieces that are wanted. */
class ByteSource {
  readonly #bytes: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(bytes: AsyncIterable<Buffer>) {
    this.#bytes = bytes[Symbol.asyncIterator]()
  }

  /** As many as there are at once, at most so many. */
  async some(bytesMax: number): Promise<Buffer> {
    while (this.#rest.length === 0) if (!(await this.#more())) throw damaged('no end')
    const part = this.#rest.subarray(0, bytesMax)
    this.#rest = this.#rest.subarray(part.length)
    return part
  }

  /** Undefined at the end, where that `mayEnd`. */
  async take(length: number, mayEnd = false): Promise<Buffer | undefined> {
    const parts: Buffer[] = []
    for (let left = length; left > 0; ) {
      if (mayEnd && left === length && this.#rest.length === 0 && !(await this.#more())) return undefined
      const part = await this.some(left)
      parts.push(part)
      left -= part.length
    }
    return Buffer.concat(parts)
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) left -= (await this.some(left)).length
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#bytes.next()
    if (done === true) return false
    this.#rest = value
    return true
  }
}

function extensionOf(type: string, content: Buffer): Extensions {
  if (type === 'L') return { path: textIn(content, 0, content.length) }
  if (type === 'K') return { linkpath: textIn(content, 0, content.length) }
  const records = new Map<string, string>()
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(0x20, at)
    const length = Number(content.toString('latin1', at, space))
    if (space < 0 || !Number.isSafeInteger(length) || length <= space - at)
      throw damaged('a record that is none')
    const text = content.toString('utf8', space + 1, at + length - 1)
    const equals = text.indexOf('=')
    if (equals > 0) records.set(text.slice(0, equals), text.slice(equals + 1))
    at += length
  }
  const sparse = [...records.keys()].find((name) => name.startsWith('GNU.sparse'))
  const found = (name: 'path' | 'linkpath' | 'size') => {
    const value = records.get(name)
    return value === undefined ? {} : { [name]: value }
  }
  return { ...found('path'), ...found('linkpath'), ...found('size'), ...(sparse ? { sparse } : {}) }
}

function pathIn(header: Buffer): string {
  const name = textIn(header, 0, 100)
  const isUstar = header.toString('latin1', 257, 263) === 'ustar\0'
  const prefix = isUstar ? textIn(header, 345, 155) : ''
  return prefix === '' ? name : `${prefix}/${name}`
}

function textIn(bytes: Buffer, at: number, length: number): string {
  const field = bytes.subarray(at, at + length)
  const end = field.indexOf(0)
  return field.toString('utf8', 0, end < 0 ? length : end)
}

/** Octal, or base 256 where the first bit is set. */
function numberIn(header: Buffer, at: number, length: number): number {
  const field = header.subarray(at, at + length)
  if (((field[0] ?? 0) & 0x80) !== 0) return field.readUIntBE(length - 6, 6)
  const text = textIn(field, 0, length).trim()
  if (!/^[0-7]*$/.test(text)) throw damaged('a number that is none')
  return text === '' ? 0 : Number.parseInt(text, 8)
}

function assertSum(header: Buffer): void {
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0)
  if (sum !== numberIn(header, 148, 8)) throw damaged('a header with another sum')
}

function paddingOf(length: number): number {
  return (BLOCK_BYTES - (length % BLOCK_BYTES)) % BLOCK_BYTES
}

function damaged(what: string): Failure {
  return new Failure('image-refused', `a layer of the image is no archive: it has ${what}`)
}
