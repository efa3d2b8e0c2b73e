import { Failure } from '@holdfast/base/failure'
import { z } from 'zod'
import { DIGEST } from './image-reference.ts'

/** The formats of the OCI image specification 1.1 and of Docker's schema 2, which says the same in other words. */
const INDEX_TYPES: readonly string[] = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]
const MANIFEST_TYPES: readonly string[] = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]
export const ACCEPTED_TYPES = [...MANIFEST_TYPES, ...INDEX_TYPES]

const LAYERS_MAX = 128
const LAYER_BYTES_MAX = 16 * 1024 ** 3

const Descriptor = z.object({
  mediaType: z.string(),
  digest: z.string().regex(DIGEST),
  size: z.int().min(0).max(LAYER_BYTES_MAX),
})
export type Descriptor = z.infer<typeof Descriptor>

const ImageIndex = z.object({
  manifests: z
    .array(
      Descriptor.extend({
        platform: z.object({ os: z.string(), architecture: z.string() }).optional(),
      }),
    )
    .max(1024),
})

const ImageManifest = z.object({ config: Descriptor, layers: z.array(Descriptor).max(LAYERS_MAX) })
export type ImageManifest = z.infer<typeof ImageManifest>

const ImageConfig = z.object({
  config: z.object({ Env: z.array(z.string()).nullish() }).nullish(),
  rootfs: z.object({
    type: z.literal('layers'),
    diff_ids: z.array(z.string().regex(DIGEST)).max(LAYERS_MAX),
  }),
})
export type ImageConfig = z.infer<typeof ImageConfig>

const ARCHITECTURE: Readonly<Partial<Record<NodeJS.Architecture, string>>> = { x64: 'amd64', arm64: 'arm64' }

/** What a manifest says: the image itself, or where that for this machine is. Throws `image-refused`. Pure. */
export function readManifest(
  bytes: Uint8Array,
  architecture: NodeJS.Architecture,
):
  | { readonly kind: 'image'; readonly manifest: ImageManifest }
  | { readonly kind: 'other'; readonly digest: string } {
  const value = parsed(bytes, z.looseObject({ mediaType: z.string().optional() }))
  if ('manifests' in value) {
    const wanted = ARCHITECTURE[architecture]
    const fit = parsed(bytes, ImageIndex).manifests.find(
      ({ platform }) => platform?.os === 'linux' && platform.architecture === wanted,
    )
    if (fit) return { kind: 'other', digest: fit.digest }
    throw new Failure('image-refused', `the image does not exist for linux/${wanted ?? architecture}`)
  }
  return { kind: 'image', manifest: parsed(bytes, ImageManifest) }
}

/** Throws `image-refused`. Pure. */
export function readConfig(bytes: Uint8Array, manifest: ImageManifest): ImageConfig {
  const config = parsed(bytes, ImageConfig)
  if (config.rootfs.diff_ids.length === manifest.layers.length) return config
  throw new Failure('image-refused', 'the image does not say what each of its layers holds')
}

/** `NAME=value` lines, as far as they are. Pure. */
export function environmentOf({ config }: ImageConfig): Record<string, string> {
  const pairs = (config?.Env ?? []).flatMap((line) => {
    const at = line.indexOf('=')
    return at > 0 ? [[line.slice(0, at), line.slice(at + 1)] as const] : []
  })
  return Object.fromEntries(pairs)
}

function parsed<T>(bytes: Uint8Array, shape: z.ZodType<T>): T {
  try {
    return shape.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
  } catch (error) {
    throw new Failure('image-refused', 'what the registry sends is no image', {}, error)
  }
}
