import { Failure } from '@holdfast/base/failure'
import type { PackRow } from '../index/generation-index.ts'
import type { PackContents } from './chunk-writer.ts'

/*
 * A bundle: generations of one workspace as one file that needs no store. A tar file with, in this order,
 *
 *     packs/<n>             packs as in a store, sealed with the store's key if the store is
 *     records/<id>.json     the generation records; the SHA-256 of each is the generation's id
 *     manifest.json         which pack is which, and the generations, oldest first
 *     SHA256SUMS            of all members above, as sha256sum writes and checks it
 */
export const MANIFEST = 'manifest.json'
export const SUMS = 'SHA256SUMS'

export interface BundledPack extends PackRow {
  /** Its member of the file. */
  readonly member: string
  readonly holds: PackContents
}

export interface BundleManifest {
  readonly format: 1
  readonly kind: 'holdfast-bundle'
  /** Ids, oldest first. */
  readonly generations: readonly string[]
  readonly packs: readonly BundledPack[]
}

export function recordMember(id: string): string {
  return `records/${id}.json`
}

/** Rejects with `foreign-format`, `version-unknown` or `object-corrupt`. */
export function decodeManifest(bytes: Uint8Array): BundleManifest {
  const value = parseJson(bytes)
  if (value?.kind !== 'holdfast-bundle') throw new Failure('foreign-format', 'not a bundle')
  const { format, generations, packs } = value
  if (format !== 1) throw new Failure('version-unknown', `a bundle of format ${String(format)}`)
  if (!isIds(generations) || !Array.isArray(packs) || !packs.every(isBundledPack))
    throw new Failure('object-corrupt', 'the manifest of the bundle lacks a field')
  return { format, kind: 'holdfast-bundle', generations, packs }
}

function isIds(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((id) => typeof id === 'string' && /^[0-9a-f]{64}$/.test(id))
}

function isBundledPack(value: unknown): value is BundledPack {
  if (typeof value !== 'object' || value === null) return false
  const { name, bytes, sha256, member, holds } = value as Record<string, unknown>
  return (
    [name, sha256, member].every((field) => typeof field === 'string') &&
    Number.isSafeInteger(bytes) &&
    (holds === 'trees' || holds === 'content')
  )
}

function parseJson(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // falls through to the one answer for bytes that are no manifest
  }
  return undefined
}
