import { LiveVolume } from '../volume/live-volume.ts'
import type { Volume } from '../volume/volume.ts'
import type { DurableDirectory } from './durable-directory.ts'

/** The volume that a directory was begun with. Rejects with `unsupported-here` where this machine has no such one. */
export async function openVolume(directory: DurableDirectory): Promise<Volume> {
  const { deps, config } = directory
  return new LiveVolume(deps, config.path)
}
