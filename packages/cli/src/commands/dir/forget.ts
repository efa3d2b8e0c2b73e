import { Failure } from '@holdfast/base/failure'
import type { DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import { type Forgotten, forgetDirectory } from '@holdfast/generations/directory/forget-directory'
import type { CommandSpec } from '../../command.ts'
import { openHome } from '../../directory-deps.ts'
import type { Context } from '../../open-context.ts'
import { formatDuration } from '../../output/quantities.ts'
import { DIR } from './parameters-of-dir.ts'

export const forgetCommand: CommandSpec = {
  path: ['dir', 'forget'],
  summary: 'Keep a directory no longer, and leave it as a plain one',
  notes:
    'Its files stay where they are; out of a btrfs volume that is mounted there they are committed and put back as plain ' +
    'files, each proven, before the volume goes, and what is a subvolume by itself stays one. The history stays in the ' +
    'store, and `hold dir rebuild` takes it up again.',
  arguments: [{ ...DIR, about: 'the directory to keep no longer' }],
  options: [{ flags: '--yes', about: 'do not ask' }],
  examples: [{ line: 'dir forget ./project', shows: 'end the history here, keep the files' }],
  async run(context, given) {
    const directory = await context.directory(given.argument('DIR'), 'writing')
    if (!given.has('yes')) await confirm(context, directory)
    const { traffic } = context
    const state = () => ({ bytesDone: traffic.bytesGot + traffic.bytesPut })
    const { result, elapsedMs } = await context.timed('forgetting', state, () => forgetDirectory(directory))
    const { path, workspace, volume } = directory.config
    const back = comeBack(context, directory)
    await context.output.show({
      text: () =>
        `Forgot ${path}, in ${formatDuration(elapsedMs)}\n  ${FILES[result]}\n` +
        `Its history stays in ${directory.store.address}. To go on with it: ${back}\n`,
      json: () => ({ id: workspace, path, volume, files: result, comeBack: back, elapsedMs }),
      ids: () => [workspace],
    })
    return undefined
  },
}

const FILES: Readonly<Record<Forgotten, string>> = {
  untouched: 'its files are as they were',
  'put-back': 'its files are plain ones in the same place, and the volume is gone',
}

/** Rejects with `invalid-argument` where nobody can be asked, or says no. */
async function confirm(context: Context, { config }: DurableDirectory): Promise<void> {
  const { path } = config
  if (!context.onTerminal) throw new Failure('invalid-argument', `say --yes to forget ${path}`, { path })
  const answer = await context.ask(`Forget ${path}? Its files and its history stay [y/N] `)
  if (/^y(es)?$/i.test(answer.trim())) return
  throw new Failure('invalid-argument', `${path} is kept: nobody said yes`, { path })
}

/** The command that takes the history up again. */
function comeBack(context: Context, { config, store }: DurableDirectory): string {
  const { keyFile } = openHome(context).org(config.org)
  const key = keyFile === null ? [] : ['--key-file', quoted(keyFile)]
  const words = ['hold dir rebuild', quoted(config.path), '--store', quoted(store.address)]
  return [...words, '--id', config.workspace, ...key].join(' ')
}

/** A word as a shell takes it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
