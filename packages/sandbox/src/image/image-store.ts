import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Failure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import type { SystemSpec } from '@holdfast/protocol/sandbox-spec'
import { z } from 'zod'
import { environmentOf, type ImageManifest, readConfig, readManifest } from './image-manifest.ts'
import { DIGEST, parseImageReference } from './image-reference.ts'
import { RegistryAccess } from './registry-access.ts'
import { RegistryClient } from './registry-client.ts'
import { unpackImage } from './unpack-image.ts'

type ImageSystem = Extract<SystemSpec, { kind: 'image' }>

/** An image on this host, read-only for whoever uses it. */
export interface LocalImage {
  /** Of its manifest for this machine. */
  readonly digest: string
  readonly root: string
  /** What its commands expect in their environment. */
  readonly environment: Readonly<Record<string, string>>
}

export interface ImageStoreDeps {
  readonly randomness: Randomness
  /** Of this store alone. */
  readonly folder: string
  readonly bytesMax?: number
  /** `host` or `host:port` of registries that may be at any address; others only at public ones. */
  readonly registries: readonly string[]
}

const IMAGE_BYTES_MAX = 16 * 1024 ** 3
const UNFINISHED = '.new-'
const Notes = z.strictObject({ format: z.literal(1), environment: z.record(z.string(), z.string()) })

/** Images that were pulled, each once a host, by the digest of its manifest. */
export class ImageStore {
  readonly #deps: ImageStoreDeps
  readonly #underWay = new Map<string, Promise<LocalImage>>()

  /** Removes what an earlier process had begun. */
  constructor(deps: ImageStoreDeps) {
    this.#deps = deps
    mkdirSync(deps.folder, { recursive: true, mode: 0o711 })
    for (const name of readdirSync(deps.folder))
      if (name.startsWith(UNFINISHED)) rmSync(join(deps.folder, name), { recursive: true, force: true })
  }

  /**
   * An image that is here or is pulled now; of one that is pinned, the registry is not asked again. Rejects with
   * `invalid-argument`, `not-found`, `image-refused`, `image-unavailable`, `volume-full`.
   */
  async ensure({ reference, digest: pinned }: ImageSystem): Promise<LocalImage> {
    const parsed = parseImageReference(reference)
    const wanted = pinned ?? (DIGEST.test(parsed.version) ? parsed.version : undefined)
    if (pinned !== undefined && DIGEST.test(parsed.version) && parsed.version !== pinned)
      throw new Failure('invalid-argument', `${reference} is not the image ${pinned}`)
    const known = wanted === undefined ? undefined : this.#find(wanted)
    if (known) return known
    await using access = new RegistryAccess(this.#deps)
    const client = new RegistryClient(parsed, access)
    const found = await resolve(client, wanted ?? parsed.version)
    const image = this.#find(found.digest) ?? (await this.#pullOnce(client, found))
    if (wanted !== undefined && wanted !== image.digest) await this.#alias(wanted, image.digest)
    return image
  }

  /**
   * The digest that a reference means now: of the image, or of the list of images from which each machine takes its own.
   * Rejects as `ensure`.
   */
  async pin(reference: string): Promise<string> {
    const parsed = parseImageReference(reference)
    if (DIGEST.test(parsed.version)) return parsed.version
    await using access = new RegistryAccess(this.#deps)
    return (await new RegistryClient(parsed, access).manifest(parsed.version)).digest
  }

  #find(digest: string): LocalImage | undefined {
    const named = join(this.#deps.folder, folderName(digest))
    if (!existsSync(named)) return undefined
    const folder = realpathSync(named)
    try {
      const notes = Notes.parse(JSON.parse(readFileSync(join(folder, 'image.json'), 'utf8')))
      const own = basename(folder).replace('-', ':')
      return { digest: own, root: join(folder, 'root'), environment: notes.environment }
    } catch {
      return undefined // damaged: it is pulled again
    }
  }

  /** What is pinned may be a list of images, of which this is the one for this machine. */
  async #alias(list: string, digest: string): Promise<void> {
    const path = join(this.#deps.folder, folderName(list))
    if (!existsSync(path)) await symlink(folderName(digest), path)
  }

  #pullOnce(client: RegistryClient, found: Resolved): Promise<LocalImage> {
    const { digest } = found
    const known = this.#underWay.get(digest)
    if (known !== undefined) return known
    const pull = this.#pull(client, found).finally(() => this.#underWay.delete(digest))
    this.#underWay.set(digest, pull)
    return pull
  }

  async #pull(client: RegistryClient, { digest, manifest }: Resolved): Promise<LocalImage> {
    const { folder, randomness, bytesMax = IMAGE_BYTES_MAX } = this.#deps
    const config = readConfig(await client.document(manifest.config), manifest)
    const draft = join(folder, `${UNFINISHED}${Buffer.from(randomness.bytes(8)).toString('hex')}`)
    await mkdir(draft, { mode: 0o700 })
    try {
      const layers = []
      for (const [index, layer] of manifest.layers.entries()) {
        const path = join(draft, `layer-${index}`)
        await client.download(layer, path)
        layers.push({ path, diffId: config.rootfs.diff_ids[index] ?? '' })
      }
      await unpackImage({ layers, folder: draft, bytesMax })
      for (const { path } of layers) await rm(path)
      const notes: z.infer<typeof Notes> = { format: 1, environment: environmentOf(config) }
      await writeFile(join(draft, 'image.json'), JSON.stringify(notes))
      const final = join(folder, folderName(digest))
      await rm(final, { recursive: true, force: true })
      await rename(draft, final)
      return { digest, root: join(final, 'root'), environment: notes.environment }
    } finally {
      await rm(draft, { recursive: true, force: true })
    }
  }
}

function folderName(digest: string): string {
  return digest.replace(':', '-')
}

interface Resolved {
  readonly digest: string
  readonly manifest: ImageManifest
}

/** The manifest for this machine. */
async function resolve(client: RegistryClient, version: string): Promise<Resolved> {
  const first = await client.manifest(version)
  const read = readManifest(first.bytes, process.arch)
  if (read.kind === 'image') return { digest: first.digest, manifest: read.manifest }
  const second = await client.manifest(read.digest)
  const inner = readManifest(second.bytes, process.arch)
  if (inner.kind === 'image') return { digest: second.digest, manifest: inner.manifest }
  throw new Failure('image-refused', 'a list of images leads to another list')
}
