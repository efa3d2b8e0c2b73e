import type { RuntimeKind, SandboxSpec } from '@holdfast/protocol/sandbox-spec'

/**
 * Equal for two workspaces exactly if a sandbox that was prepared for one is what the other would get from a fresh start:
 * all that is fixed when it begins. The environment comes with each command, and packs with the volume. Pure.
 */
export function poolKey(runtime: RuntimeKind, org: string, spec: SandboxSpec): string {
  const { system, systemWrites, limits, fsync, allowRoot, allowDebug } = spec
  // The machine's own system is nobody's: what was prepared of it holds nothing of an org.
  const owner = system.kind === 'machine' ? null : org
  const bounds = Object.entries(limits).toSorted(([one], [other]) => (one < other ? -1 : 1))
  const content = Object.entries(system).toSorted(([one], [other]) => (one < other ? -1 : 1))
  return JSON.stringify([runtime, owner, content, systemWrites, fsync, allowRoot, allowDebug, bounds])
}
