import type { FileStat } from '@holdfast/protocol/files'
import { shownPath } from './guest-path.ts'

/** Fields of one name for `find -printf`, each ended by a NUL: no name holds one. */
export const FIND_FORMAT = '%y\\0%s\\0%m\\0%T@\\0%l\\0%p\\0'
const FIELDS = 6

const KINDS: Readonly<Record<string, FileStat['kind']>> = { f: 'file', d: 'directory', l: 'symlink' }

/** What `find` printed; a last one that was cut is left out. */
export function parseListing(output: Buffer): FileStat[] {
  const fields = output.toString('utf8').split('\0')
  const files: FileStat[] = []
  for (let at = 0; at + FIELDS < fields.length; at += FIELDS) {
    const [kind = '', bytes, mode = '', modified, target = '', path = ''] = fields.slice(at, at + FIELDS)
    files.push({
      path: shownPath(path),
      kind: KINDS[kind] ?? 'other',
      bytes: Number(bytes),
      mode: Number.parseInt(mode, 8),
      modifiedAt: Number(modified) * 1000,
      target: kind === 'l' ? target : null,
    })
  }
  return files
}
