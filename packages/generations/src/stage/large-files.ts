import { type ByteString, joinPath } from '../format/byte-string.ts'
import { STAT_FIELDS } from '../scan/directory-state.ts'
import type { SurveyedDirectory } from '../scan/survey.ts'
import { type ByteSpan, SEGMENT_BYTES, segmentsOf } from './segments.ts'
import { LARGE_FILE_BYTES_MIN, type LargeFile } from './stage-messages.ts'
import type { ToRead } from './stage-meter.ts'

/** Changed files that are large enough to be read by several threads; sparse ones are read by one. */
export function largeFilesOf(surveyed: readonly SurveyedDirectory[]): LargeFile[] {
  const large: LargeFile[] = []
  for (const directory of surveyed) {
    if (directory.isUnchanged) continue
    for (const [index, name] of directory.names.entries()) {
      const bytes = directory.bytesOf(index)
      if (bytes < LARGE_FILE_BYTES_MIN || !isChangedFile(directory, index) || directory.isSparse(index))
        continue
      const at = index * STAT_FIELDS
      large.push({ path: joinPath(directory.path, name), bytes, mtimeMs: directory.stats[at + 2] ?? 0 })
    }
  }
  return large
}

/**
 * Changed files, which have to be read, and their bytes as surveyed; holes count. `rangesOf` tells what may differ in a
 * file, where that is known.
 */
export function toReadOf(
  surveyed: readonly SurveyedDirectory[],
  rangesOf: (path: ByteString) => readonly ByteSpan[] | undefined,
): ToRead {
  let files = 0
  let bytes = 0
  for (const directory of surveyed) {
    if (directory.isUnchanged) continue
    for (const [index, name] of directory.names.entries()) {
      if (!isChangedFile(directory, index)) continue
      files++
      const ranges = rangesOf(joinPath(directory.path, name))
      bytes += ranges ? bytesToRead(ranges, directory.bytesOf(index)) : directory.bytesOf(index)
    }
  }
  return { files, bytes }
}

/** A changed range costs the segments that it touches. */
function bytesToRead(ranges: readonly ByteSpan[], bytes: number): number {
  const touched = new Set(segmentsOf(ranges).map(({ start }) => Math.floor(start / SEGMENT_BYTES)))
  return Math.min(bytes, touched.size * SEGMENT_BYTES)
}

function isChangedFile(directory: SurveyedDirectory, index: number): boolean {
  return directory.isChanged(index) && directory.kindOf(index) === 'file'
}
