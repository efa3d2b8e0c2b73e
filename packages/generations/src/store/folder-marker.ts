import { closeSync, constants, linkSync, openSync, readdirSync, readSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { errnoOf } from '@holdfast/base/errno'
import { Failure, isFailure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import { createDurableFile, removeQuietly, syncFolder } from './durable-file.ts'
import { folderFailure } from './folder-failure.ts'

/**
 * The file that tells a store from any other folder: one line of JSON,
 * `{"format":"holdfast-store","version":1}`.
 */
const markerName = 'holdfast-store'
/** The layout: objects at `objects/<key>`, unfinished ones at `tmp/<32 hex digits>`. */
const markerVersion = 1
/** Larger files are no markers. */
const markerBytesMax = 4096

const unfinishedMarker = /^holdfast-store\.[0-9a-f]{32}$/
/** What a folder may hold and still count as empty. */
const ignoredName = /^(?:lost\+found|holdfast-store\.[0-9a-f]{32})$/

/**
 * Shows that the folder `root` is a store that this version reads, after making an empty one into a store. Rejects
 * with `foreign-format` when it holds other things, and with `version-unknown` when a newer version wrote it.
 */
export async function requireMarker(root: string, randomness: Randomness): Promise<void> {
  const names = listNames(root)
  if (!names.includes(markerName)) {
    const foreign = names.find((name) => !ignoredName.test(name))
    if (foreign !== undefined) {
      throw new Failure('foreign-format', `${root} is not empty and has no file ${markerName}`, {
        path: root,
        found: foreign,
      })
    }
    await createMarker(root, randomness)
  }
  checkMarker(root, readMarker(join(root, markerName)))
}

/** True for the name of a marker that some process began and did not finish. */
export function isUnfinishedMarker(name: string): boolean {
  return unfinishedMarker.test(name)
}

async function createMarker(root: string, randomness: Randomness): Promise<void> {
  const unfinished = join(root, `${markerName}.${Buffer.from(randomness.bytes(16)).toString('hex')}`)
  const line = Buffer.from(`${JSON.stringify({ format: markerName, version: markerVersion })}\n`)
  try {
    await createDurableFile(unfinished, [line])
    linkSync(unfinished, join(root, markerName))
  } catch (error) {
    // Another process that opens the same empty folder may be first.
    if (errnoOf(error) !== 'EEXIST') throw folderFailure('link', join(root, markerName), error)
  } finally {
    removeQuietly(unfinished)
  }
  await syncFolder(root)
  await syncFolderIfReadable(dirname(root))
}

/** The folder around a store may be another user's; its names are then durable by that user's care. */
async function syncFolderIfReadable(path: string): Promise<void> {
  try {
    await syncFolder(path)
  } catch (error) {
    if (!isFailure(error, 'no-permission')) throw error
  }
}

function listNames(root: string): string[] {
  try {
    return readdirSync(root)
  } catch (error) {
    throw folderFailure('list', root, error)
  }
}

function readMarker(path: string): string {
  try {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
    const descriptor = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    try {
      const bytes = Buffer.alloc(markerBytesMax)
      return bytes.toString('utf8', 0, readSync(descriptor, bytes, 0, markerBytesMax, 0))
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    if (errnoOf(error) === 'EISDIR') return ''
    throw folderFailure('read', path, error)
  }
}

function checkMarker(root: string, text: string): void {
  const version = parseMarkerVersion(text)
  if (version === undefined) {
    throw new Failure('foreign-format', `${join(root, markerName)} is not the marker of a store`, {
      path: root,
    })
  }
  if (version > markerVersion) {
    throw new Failure('version-unknown', `${root} has store format ${version}`, { path: root, version })
  }
}

function parseMarkerVersion(text: string): number | undefined {
  try {
    const marker: unknown = JSON.parse(text)
    if (typeof marker !== 'object' || marker === null) return undefined
    if (!('format' in marker) || marker.format !== markerName || !('version' in marker)) return undefined
    const { version } = marker
    return typeof version === 'number' && Number.isSafeInteger(version) && version > 0 ? version : undefined
  } catch {
    return undefined
  }
}
