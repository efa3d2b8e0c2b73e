import type { CommandSpec } from './command.ts'

/** A command that is loaded when it is asked for: together they take longer to load than most take to run. */
export interface CommandRow {
  /** The words behind `hold`. */
  readonly words: string
  readonly load: () => Promise<CommandSpec>
}

/** The rows that the words of a command line may mean: one command, a group, or, where they mean none, all. */
export function chooseRows(rows: readonly CommandRow[], words: readonly string[]): readonly CommandRow[] {
  const [first = '', second = ''] = words
  const exact = rows.filter((row) => row.words === `${first} ${second}` || row.words === first)
  if (exact.length > 0) return exact
  const group = rows.filter((row) => row.words.startsWith(`${first} `))
  return group.length > 0 ? group : rows
}

/** Each once, in the order of the rows. */
export async function loadCommands(rows: readonly CommandRow[]): Promise<readonly CommandSpec[]> {
  return [...new Set(await Promise.all(rows.map((row) => row.load())))]
}
