import { type ChangeList, listChanges, type PathLimits } from './change-list.ts'
import { ChangeTree } from './change-tree.ts'
import { type BytePath, parseSendStream, type UnreadableReason } from './send-stream.ts'

/** How much of a stream is worth following; beyond it a full scan costs no more. */
export const sendLimits: SendLimits = {
  streamBytesMax: 32 * 1024 * 1024,
  /** Linux opens no longer path. */
  pathBytesMax: 4096,
  /** Sum over the paths of the change list: renames can make these far longer than the stream. */
  pathBytesSumMax: 256 * 1024 * 1024,
}

export interface SendLimits extends PathLimits {
  readonly streamBytesMax: number
}

export interface SendOptions {
  /**
   * All names that the file at an old path has in the old snapshot, if it has several. A stream writes to a file
   * with several names under one of them and does not name the others.
   */
  readonly namesOf?: (oldPath: BytePath) => readonly BytePath[] | undefined
  readonly limits?: SendLimits
}

export type UnknownReason =
  | UnreadableReason
  | 'stream-too-long'
  | 'paths-too-long'
  | 'not-incremental' // the stream describes a whole subvolume, or several
  | 'inconsistent' // a command could not succeed on any old snapshot

export type SendChanges = ChangeList | { readonly kind: 'unknown'; readonly reason: UnknownReason }

/**
 * What a `btrfs send -p OLD NEW` stream, with or without data, changes. `unknown` asks for a full scan. Throws
 * `stream-corrupt` if the stream is damaged or incomplete.
 */
export function readSendChanges(stream: Uint8Array, options: SendOptions = {}): SendChanges {
  const limits = options.limits ?? sendLimits
  if (stream.byteLength > limits.streamBytesMax) return unknown('stream-too-long')
  const tree = new ChangeTree()
  const obstacle = applyStream(tree, stream)
  if (obstacle !== undefined) return unknown(obstacle)
  const changes = listChanges(tree, limits)
  if (changes === undefined) return unknown('paths-too-long')
  const groups = touchedGroups(changes, tree.vacated, options.namesOf)
  if (groups.length === 0) return changes
  const united = new ChangeTree()
  if (!groups.every((names) => united.unite(names))) return unknown('inconsistent')
  const obstacleUnited = applyStream(united, stream)
  if (obstacleUnited !== undefined) return unknown(obstacleUnited)
  return listChanges(united, limits) ?? unknown('paths-too-long')
}

/** Brings `tree` to the new snapshot; returns what prevents that. */
function applyStream(tree: ChangeTree, stream: Uint8Array): UnknownReason | undefined {
  let begun = false
  for (const command of parseSendStream(stream)) {
    if (command.name === 'unreadable') return command.reason
    if (begun && command.name === 'end') return undefined
    if (begun !== (command.name !== 'snapshot') || command.name === 'subvol') return 'not-incremental'
    if (begun && !tree.apply(command)) return 'inconsistent'
    begun = true
  }
  return 'not-incremental'
}

/** The names of every file that has several and of which the stream names one. */
function touchedGroups(
  changes: ChangeList,
  vacated: readonly BytePath[],
  namesOf: SendOptions['namesOf'],
): readonly (readonly BytePath[])[] {
  if (namesOf === undefined) return []
  const groups = new Map<BytePath, readonly BytePath[]>()
  const touched = [...changes.files.values()].map((change) => change.previousPath)
  for (const path of [...touched, ...vacated]) {
    const names = path === undefined ? undefined : namesOf(path)
    const [first] = names?.toSorted() ?? []
    if (names !== undefined && first !== undefined && names.length > 1) groups.set(first, names)
  }
  return [...groups.values()]
}

function unknown(reason: UnknownReason): SendChanges {
  return { kind: 'unknown', reason }
}
