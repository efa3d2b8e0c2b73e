import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, link, mkdir, open, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { Failure } from '@holdfast/base/failure'
import { LayerTree, type TreeNode } from './layer-tree.ts'
import { readTar, type TarEntry } from './tar-reader.ts'

/** A layer whose bytes are known to be those that its digest names. */
export interface LayerFile {
  readonly path: string
  /** Of what it holds once it is decompressed. */
  readonly diffId: string
}

export interface UnpackRequest {
  /** The lowest first. */
  readonly layers: readonly LayerFile[]
  /** An empty directory that nobody else can enter. */
  readonly folder: string
  /** All layers together, decompressed. */
  readonly bytesMax: number
}

const GZIP_MAGIC = '1f8b'
const ZSTD_MAGIC = '28b52ffd'
/** Nothing of an image is secret from who runs it, and the sandbox's users own none of it. */
const READABLE = 0o444
const ENTERABLE = 0o555

/**
 * Unpacks an image into `folder`/root. First the contents of files, under numbers; then directories; then the files by
 * their names; symbolic links last, when nothing is written any more: none is ever followed. Rejects with `image-refused`
 * for what is not an image, or a trap, and with `volume-full`.
 */
export async function unpackImage(request: UnpackRequest): Promise<string> {
  const spool = join(request.folder, 'contents')
  const root = join(request.folder, 'root')
  await mkdir(spool)
  await mkdir(root)
  const reading = new LayerReading(request, spool)
  for (const layer of request.layers) await reading.read(layer)
  await writeTree(reading.tree, { spool, root })
  await rm(spool, { recursive: true })
  return root
}

class LayerReading {
  readonly tree = new LayerTree()
  readonly #spool: string
  #layer = 0
  #contents = 0
  #bytesLeft: number

  constructor({ bytesMax }: UnpackRequest, spool: string) {
    this.#spool = spool
    this.#bytesLeft = bytesMax
  }

  async read({ path, diffId }: LayerFile): Promise<void> {
    this.#layer += 1
    const hash = createHash('sha256')
    const bytes = this.#counted(await decompressed(path), (part) => hash.update(part))
    try {
      for await (const entry of readTar(bytes)) await this.#take(entry)
      for await (const _rest of bytes); // what follows the archive's end counts for the digest
    } catch (error) {
      if (error instanceof Failure) throw error
      throw failureOf(error)
    } finally {
      await bytes.return(undefined)
    }
    if (`sha256:${hash.digest('hex')}` !== diffId)
      throw new Failure('image-refused', 'a layer holds other bytes than the image says', { diffId })
  }

  async #take(entry: TarEntry): Promise<void> {
    const content = ++this.#contents
    this.tree.apply(entry, this.#layer, content)
    if (entry.kind !== 'file') return
    await using file = await open(join(this.#spool, String(content)), 'wx', 0o600)
    for await (const part of entry.content()) await file.writeFile(part)
  }

  async *#counted(bytes: AsyncIterable<Buffer>, see: (part: Buffer) => void): AsyncGenerator<Buffer> {
    for await (const part of bytes) {
      this.#bytesLeft -= part.length
      if (this.#bytesLeft < 0) throw new Failure('image-refused', 'the image is larger than may be unpacked')
      see(part)
      yield part
    }
  }
}

async function decompressed(path: string): Promise<AsyncIterable<Buffer>> {
  await using file = await open(path)
  const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0)
  const magic = buffer.toString('hex')
  const bytes = createReadStream(path)
  if (magic === ZSTD_MAGIC) return pipeline(bytes, createZstdDecompress(), () => {}) // the reader meets its failure
  if (magic.startsWith(GZIP_MAGIC)) return pipeline(bytes, createGunzip(), () => {})
  return bytes
}

async function writeTree(
  tree: LayerTree,
  { spool, root }: { readonly spool: string; readonly root: string },
) {
  const nodes = [...tree.nodes].toSorted(([one], [other]) => (one < other ? -1 : 1))
  try {
    for (const [path, node] of nodes)
      if (node.kind === 'directory') await mkdir(join(root, path), { mode: 0o700 })
    for (const [path, node] of nodes) if (node.kind === 'file') await place(node, join(root, path), spool)
    for (const [path, node] of nodes) if (node.kind === 'link') await symlink(node.target, join(root, path))
    for (const [path, node] of nodes.toReversed())
      if (node.kind === 'directory') await chmod(join(root, path), node.mode | ENTERABLE)
    await chmod(root, ENTERABLE | 0o200)
  } catch (error) {
    throw failureOf(error)
  }
}

async function place(node: Extract<TreeNode, { kind: 'file' }>, path: string, spool: string): Promise<void> {
  const content = join(spool, String(node.content))
  await chmod(content, node.mode | READABLE)
  await link(content, path)
}

function failureOf(error: unknown): Failure {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new Failure('volume-full', 'no room for the image', {}, error)
  return new Failure('image-refused', `the image cannot be unpacked: ${code || String(error)}`, {}, error)
}
