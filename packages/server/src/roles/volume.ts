import { join } from 'node:path'
import type { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import { probeBtrfs } from '@holdfast/generations/volume/probe-volume'
import type { SettingsOf } from '../settings.ts'

/** Where workspaces live: as the settings say, else btrfs where it works. */
export async function usableVolume(
  holdfs: Holdfs,
  { volume, state }: SettingsOf<'host'>,
): Promise<'btrfs' | 'live'> {
  if (volume !== 'auto') return volume
  if (process.geteuid?.() !== 0) return 'live'
  const prospect = await probeBtrfs(holdfs, { home: state, path: join(state, 'workspaces', 'any') })
  return prospect === 'none' ? 'live' : 'btrfs'
}
