import { Failure } from '@holdfast/base/failure'
import { DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import type { CommandSpec } from '../../command.ts'
import { formatPairs } from '../../output/table.ts'
import { DIR } from './parameters-of-dir.ts'
import { STORE_OPTIONS, withStore } from './store-options.ts'

export const initCommand: CommandSpec = {
  path: ['dir', 'init'],
  summary: 'Begin a history for a directory',
  notes:
    'The directory is made if it is not there. Directories that share a store share the bytes that are equal in them. ' +
    'Keep a key file elsewhere too: without it nothing can be restored from a sealed store. A btrfs volume captures, ' +
    'forks and rolls back in milliseconds; it needs root, and a directory that is absent, empty or a subvolume.',
  arguments: [{ ...DIR, about: 'the directory to keep' }],
  options: [
    ...STORE_OPTIONS,
    {
      flags: '--volume <KIND>',
      about: 'how the directory is captured',
      otherwise: 'live',
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
    const volume = given.option('volume') === 'btrfs' ? 'btrfs' : 'live'
    if (volume === 'btrfs' && !context.isRoot)
      throw new Failure('unsupported-here', 'a btrfs volume needs root')
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
        `Next: hold dir commit ${path}\n  or: hold dir watch ${path} -- COMMAND\n`,
      json: () => ({ id: workspace, path, store: directory.store.address, volume, keyFile }),
      ids: () => [workspace],
    })
    return undefined
  },
}
