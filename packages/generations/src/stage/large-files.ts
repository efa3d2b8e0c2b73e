import { joinPath } from '../format/byte-string.ts'
import { STAT_FIELDS } from '../scan/directory-state.ts'
import type { SurveyedDirectory } from '../scan/survey.ts'
import { LARGE_FILE_BYTES_MIN, type LargeFile } from './stage-messages.ts'

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

/** Bytes of the changed files, as surveyed; holes count. */
export function changedBytesOf(surveyed: readonly SurveyedDirectory[]): number {
  let bytes = 0
  for (const directory of surveyed) {
    if (directory.isUnchanged) continue
    for (const index of directory.names.keys())
      if (isChangedFile(directory, index)) bytes += directory.bytesOf(index)
  }
  return bytes
}

function isChangedFile(directory: SurveyedDirectory, index: number): boolean {
  return directory.isChanged(index) && directory.kindOf(index) === 'file'
}
