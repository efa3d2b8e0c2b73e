import type { Randomness } from '@holdfast/base/randomness'
import type { HeldLease } from '../index/generation-index.ts'

/** 32 random hex digits: no two objects ever share a name. */
export function randomName(randomness: Randomness): string {
  return Buffer.from(randomness.bytes(16)).toString('hex')
}

/** A pack name that no pack ever had: the epoch keeps writers apart, the random part keeps a writer's attempts apart. */
export function newPackName(lease: HeldLease, randomness: Randomness): string {
  return `${lease.org}/${lease.workspace}/${lease.epoch}/${randomName(randomness)}`
}

export function packKey(packName: string): string {
  return `packs/${packName}`
}

/** True for the key of a merged chunk table; pack names have no such beginning. */
export function isIndexKey(name: string): boolean {
  return name.startsWith('index/')
}

/** The key of a merged chunk table. */
export function newIndexKey(lease: HeldLease, randomness: Randomness): string {
  return `index/${lease.org}/${lease.workspace}/${randomName(randomness)}`
}
