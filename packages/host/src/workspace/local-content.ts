import type { SandboxContent, SandboxFacts, SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import type { ImageStore } from '@holdfast/sandbox/image/image-store'
import type { LocalPack } from '@holdfast/sandbox/pack/local-pack'
import { GUEST_PROGRAMS } from '@holdfast/sandbox/system/root-plan'

export type Images = Pick<ImageStore, 'ensure' | 'pin'>
export type PinnedPack = SandboxFacts['packs'][number]

/** What of a specification comes from registries, as directories of this host. */
export interface LocalContent {
  /** An image is a directory here, and its environment below the workspace's own. */
  readonly spec: SandboxSpec
  readonly packs: readonly (LocalPack & PinnedPack)[]
}

/** Brings what is not here yet: that may take minutes. Rejects as `ImageStore.ensure`. */
export async function bringContent(images: Images, spec: SandboxSpec): Promise<LocalContent> {
  const packs = await bringPacks(images, spec)
  if (spec.system.kind !== 'image') return { spec, packs }
  const { root, environment } = await images.ensure(spec.system)
  const { PATH, ...others } = environment
  const path = PATH === undefined ? {} : { PATH: `${GUEST_PROGRAMS}:${PATH}` }
  const local = {
    ...spec,
    system: { kind: 'directory' as const, path: root },
    environment: { ...others, ...path, ...spec.environment },
  }
  return { spec: local, packs }
}

/** One after another: a host's line to a registry is one. */
async function bringPacks(
  images: Images,
  { packs }: Pick<SandboxSpec, 'packs'>,
): Promise<LocalContent['packs']> {
  const brought = []
  for (const { name, source, digest } of packs) {
    const image = await images.ensure({ kind: 'image', reference: source, digest })
    brought.push({ name, root: image.root, digest: digest ?? image.digest })
  }
  return brought
}

/** The same content with a digest everywhere. Rejects as `ImageStore.pin`. */
export async function pinContent(images: Images, { system, packs }: SandboxContent): Promise<SandboxContent> {
  return {
    system:
      system.kind === 'image'
        ? { ...system, digest: system.digest ?? (await images.pin(system.reference)) }
        : system,
    packs: await Promise.all(
      packs.map(async (pack) => ({ ...pack, digest: pack.digest ?? (await images.pin(pack.source)) })),
    ),
  }
}
