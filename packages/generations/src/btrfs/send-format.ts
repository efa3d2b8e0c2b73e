/** Names by which this code knows the commands of a send stream. */
export type CommandName =
  | 'subvol'
  | 'snapshot'
  | 'mkfile'
  | 'mkdir'
  | 'mknod'
  | 'mkfifo'
  | 'mksock'
  | 'symlink'
  | 'rename'
  | 'link'
  | 'unlink'
  | 'rmdir'
  | 'setXattr'
  | 'removeXattr'
  | 'write'
  | 'clone'
  | 'truncate'
  | 'chmod'
  | 'chown'
  | 'utimes'
  | 'end'
  | 'updateExtent'
  | 'fallocate'
  | 'fileattr'
  | 'encodedWrite'
  | 'enableVerity'

interface CommandRow {
  readonly name: CommandName
  /** The first stream version that has the command. */
  readonly since: 1 | 2 | 3
}

/** Commands by their number on the wire (`enum btrfs_send_cmd` of Linux, include `fs/btrfs/send.h`). */
export const COMMANDS: ReadonlyMap<number, CommandRow> = new Map([
  [1, { name: 'subvol', since: 1 }],
  [2, { name: 'snapshot', since: 1 }],
  [3, { name: 'mkfile', since: 1 }],
  [4, { name: 'mkdir', since: 1 }],
  [5, { name: 'mknod', since: 1 }],
  [6, { name: 'mkfifo', since: 1 }],
  [7, { name: 'mksock', since: 1 }],
  [8, { name: 'symlink', since: 1 }],
  [9, { name: 'rename', since: 1 }],
  [10, { name: 'link', since: 1 }],
  [11, { name: 'unlink', since: 1 }],
  [12, { name: 'rmdir', since: 1 }],
  [13, { name: 'setXattr', since: 1 }],
  [14, { name: 'removeXattr', since: 1 }],
  [15, { name: 'write', since: 1 }],
  [16, { name: 'clone', since: 1 }],
  [17, { name: 'truncate', since: 1 }],
  [18, { name: 'chmod', since: 1 }],
  [19, { name: 'chown', since: 1 }],
  [20, { name: 'utimes', since: 1 }],
  [21, { name: 'end', since: 1 }],
  [22, { name: 'updateExtent', since: 1 }],
  [23, { name: 'fallocate', since: 2 }],
  [24, { name: 'fileattr', since: 2 }],
  [25, { name: 'encodedWrite', since: 2 }],
  [26, { name: 'enableVerity', since: 3 }],
])

/** Attributes that are read, by their number on the wire (`BTRFS_SEND_A_*`); the others are skipped. */
export const ATTRIBUTE = {
  sizeBytes: 4,
  path: 15,
  pathTo: 16,
  pathLink: 17,
  fileOffset: 18,
  bytes: 19,
  cloneLength: 24,
  fallocateMode: 25,
  unencodedFileLength: 27,
} as const

/** The highest attribute number of each stream version, in the order of the versions, from 1. */
const ATTRIBUTE_MAX = [24, 31, 35] as const

export const STREAM_VERSION_MAX = ATTRIBUTE_MAX.length

/** The highest attribute number that `version`, from 1 to STREAM_VERSION_MAX, has. */
export function attributeMax(version: number): number {
  return ATTRIBUTE_MAX[version - 1] ?? 0
}
