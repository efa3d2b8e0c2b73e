import { joinPath } from '../format/byte-string.ts'
import type { SurveyedDirectory } from '../scan/survey.ts'
import { LARGE_FILE_BYTES_MIN, type LargeFile } from './stage-messages.ts'

/** Changed files that are large enough to be read by several threads; sparse ones are read by one. */
export function largeFilesOf(surveyed: readonly SurveyedDirectory[]): LargeFile[] {
  const large: LargeFile[] = []
  for (const { path, names } of surveyed) {
    for (const { name, kind, changed, stats } of names) {
      if (kind !== 'file' || !changed || stats.size < LARGE_FILE_BYTES_MIN || stats.blocks * 512 < stats.size)
        continue
      large.push({
        path: joinPath(path, name),
        bytes: stats.size,
        mtimeMs: stats.mtimeMs,
        ctimeMs: stats.ctimeMs,
      })
    }
  }
  return large
}

/** Bytes of the changed files, as surveyed. */
export function changedBytesOf(surveyed: readonly SurveyedDirectory[]): number {
  let bytes = 0
  for (const { names } of surveyed) {
    for (const { kind, changed, stats } of names)
      if (kind === 'file' && changed) bytes += Math.min(stats.size, stats.blocks * 512)
  }
  return bytes
}
