import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mountTable } from '@holdfast/generations/volume/mount-table'

/** Takes away what is mounted below a folder, the last one first. Fails where it is in use, unless `--lazy`. */
export function unmountBelow(folder: string, ...flags: readonly '--lazy'[]): void {
  const below = mountTable().filter(({ mountPoint }) => mountPoint.startsWith(`${folder}/`))
  for (const { mountPoint } of below.toReversed()) execFileSync('umount', [...flags, mountPoint])
}

/** Removes a folder of which parts may be mounted, and may still be in use. */
export function removeTree(folder: string): void {
  unmountBelow(folder, '--lazy')
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
}
