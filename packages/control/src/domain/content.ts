import type { SandboxContent, SandboxFacts, SandboxSpec } from '@holdfast/protocol/sandbox-spec'

/** All of it says which bytes it is: no registry need be asked. */
export function isPinned({ system, packs }: SandboxContent): boolean {
  const isSystemPinned = system.kind !== 'image' || system.digest !== undefined
  return isSystemPinned && packs.every(({ digest }) => digest !== undefined)
}

export function isSameContent(one: SandboxContent, other: SandboxContent): boolean {
  return JSON.stringify([one.system, one.packs]) === JSON.stringify([other.system, other.packs])
}

export type PackStatus = 'current' | 'stale' | 'unknown'

/** Whether a running sandbox has the packs that its workspace is to have. */
export function packStatus(spec: Pick<SandboxSpec, 'packs'>, sandbox: SandboxFacts | null): PackStatus {
  if (sandbox === null) return 'unknown'
  const mounted = new Map(sandbox.packs.map(({ name, digest }) => [name, digest]))
  const isCurrent = spec.packs.every(({ name, digest }) => mounted.get(name) === digest)
  return isCurrent && mounted.size === spec.packs.length ? 'current' : 'stale'
}
