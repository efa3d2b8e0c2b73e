import type { ArgumentSpec, OptionSpec } from '../../command.ts'

export const NAME: ArgumentSpec = {
  name: 'NAME',
  presence: 'required',
  about: 'name or id of the workspace, or the beginning of its id',
}

export const NAMES: ArgumentSpec = {
  name: 'NAME',
  presence: 'rest',
  about: 'names or ids of workspaces, or the beginnings of their ids',
}

export const CMD: ArgumentSpec = {
  name: 'CMD',
  presence: 'rest',
  about: 'the command and its arguments, behind --',
}

export const DAY_MS = 86_400_000

/** Options of a command that starts another one in a workspace. */
export const EXEC_OPTIONS: readonly OptionSpec[] = [
  { flags: '-e, --env <NAME=VALUE>', about: 'a variable of its environment; may be repeated', repeats: true },
  { flags: '-w, --workdir <DIR>', about: 'where it runs', otherwise: '/workspace' },
  { flags: '-u, --user <USER>', about: 'user or root, where the workspace allows it', otherwise: 'user' },
  { flags: '--timeout <TIME>', about: 'end it after so long, as 30s or 10m; hold then exits with 124' },
]
