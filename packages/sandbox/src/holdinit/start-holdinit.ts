import { writeFile } from 'node:fs/promises'
import type { Randomness } from '@holdfast/base/randomness'
import { WORD_BYTES } from './frames.ts'

/** Its flags: docs/formats/holdinit.md says what each means. Paths are those that it sees. */
export interface HoldinitFlags {
  readonly controlPath: string
  readonly guestPath: string
  /** A file that it removes, or `fd:N`. */
  readonly noncePath: string
  readonly deadlineBootMs: number
  readonly uid?: number
  readonly gid?: number
  readonly allowRoot?: boolean
  readonly peer?: 'outside' | 'own' | 'any'
  readonly oomScore?: number
}

/** Its arguments, without its own name. */
export function holdinitArguments(flags: HoldinitFlags): string[] {
  const words = [
    ['--control', flags.controlPath],
    ['--guest', flags.guestPath],
    ['--nonce', flags.noncePath],
    ['--deadline', String(Math.floor(flags.deadlineBootMs))],
    ['--root', flags.allowRoot === true ? 'allowed' : 'refused'],
  ]
  if (flags.uid !== undefined) words.push(['--uid', String(flags.uid)])
  if (flags.gid !== undefined) words.push(['--gid', String(flags.gid)])
  if (flags.peer !== undefined) words.push(['--peer', flags.peer])
  if (flags.oomScore !== undefined) words.push(['--oom-score', String(flags.oomScore)])
  return words.flat()
}

/** A nonce for a holdinit that inherits it. */
export function newNonce(randomness: Randomness): Uint8Array {
  return randomness.bytes(2 * WORD_BYTES)
}

/** Makes the nonce's file, which holdinit reads once and removes; the caller gives it to holdinit's user. */
export async function writeNonce(path: string, randomness: Randomness): Promise<Uint8Array> {
  const nonce = newNonce(randomness)
  await writeFile(path, nonce, { mode: 0o600, flag: 'wx' })
  return nonce
}
