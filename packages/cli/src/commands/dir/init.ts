import { Failure } from '@holdfast/base/failure'
import {
  type DirectoryDeps,
  DurableDirectory,
  realPath,
} from '@holdfast/generations/directory/durable-directory'
import type { DirectoryConfig } from '@holdfast/generations/directory/home'
import { probeBtrfs } from '@holdfast/generations/volume/probe-volume'
import type { CommandSpec, Given } from '../../command.ts'
import type { Context } from '../../open-context.ts'
import { formatPairs } from '../../output/table.ts'
import { DIR } from './parameters-of-dir.ts'
import { STORE_OPTIONS, withStore } from './store-options.ts'

export const initCommand: CommandSpec = {
  path: ['dir', 'init'],
  summary: 'Begin a history for a directory',
  notes:
    'The directory is made if it is not there. Directories that share a store share the bytes that are equal in them. ' +
    'Keep a key file elsewhere too: without it nothing can be restored from a sealed store. A btrfs volume captures, ' +
    'forks and rolls back in milliseconds; it needs root, and a directory that is absent, empty or a subvolume. It is ' +
    'chosen for a directory that is a subvolume, which stays where it is.',
  arguments: [{ ...DIR, about: 'the directory to keep' }],
  options: [
    ...STORE_OPTIONS,
    {
      flags: '--volume <KIND>',
      about: 'how the directory is captured',
      otherwise: 'btrfs where the directory is a subvolume and you are root, else live',
      choices: ['live', 'btrfs'],
    },
  ],
  examples: [
    { line: 'dir init ./project', shows: 'keep generations in the store of this machine' },
    { line: 'dir init ./project --store /mnt/backup/store', shows: 'keep them on another disk' },
    {
      line: "dir init ./project --store 's3://bucket/holdfast?region=eu-west-1' --new-key ~/holdfast.key",
      shows: 'keep them, sealed, in a bucket (credentials: as for every AWS tool)',
    },
  ],
  async run(context, given) {
    const deps = await context.deps('beginning')
    const { volume, isPossible } = await chooseVolume(context, deps, given)
    const { directory, keyFile } = await withStore(context, given, async (choice) => {
      const made = await DurableDirectory.init(deps, { path: given.argument('DIR'), ...choice, volume })
      return { directory: context.use(made), keyFile: choice.keyFile }
    })
    const { path, workspace } = directory.config
    await context.output.show({
      text: () =>
        `Began a history for ${path}\n` +
        formatPairs([
          ['store', directory.store.address],
          ['sealed', keyFile === null ? 'no' : `yes, with the key in ${keyFile}`],
          ['volume', volume],
          ['id', workspace],
        ]) +
        (isPossible ? POSSIBLE : '') +
        `Next: hold dir commit ${path}\n  or: hold dir watch ${path} -- COMMAND\n`,
      json: () => ({ id: workspace, path, store: directory.store.address, volume, keyFile }),
      ids: () => [workspace],
    })
    return undefined
  },
}

const POSSIBLE =
  'A btrfs volume is possible here, which captures, forks and rolls back in milliseconds: begin an empty directory with ' +
  '--volume btrfs, then copy the files in\n'

interface VolumeChoice {
  readonly volume: DirectoryConfig['volume']
  /** Nobody asked for a kind, and a btrfs volume would have been possible with an empty directory. */
  readonly isPossible: boolean
}

/** The kind that was asked for, else what the directory lends itself to as it is. Rejects with `unsupported-here`. */
async function chooseVolume(
  { isRoot }: Context,
  { home, holdfs }: DirectoryDeps,
  given: Given,
): Promise<VolumeChoice> {
  const wanted = given.option('volume')
  if (wanted === 'btrfs' && !isRoot) throw new Failure('unsupported-here', 'a btrfs volume needs root')
  if (wanted === 'btrfs' || wanted === 'live') return { volume: wanted, isPossible: false }
  const path = realPath(given.argument('DIR'))
  const isInside = home.directories().some((known) => path.startsWith(`${known.path}/`))
  if (!isRoot || isInside) return { volume: 'live', isPossible: false }
  const prospect = await probeBtrfs(holdfs, { home: home.path, path })
  return { volume: prospect === 'native' ? 'btrfs' : 'live', isPossible: prospect === 'empty' }
}
