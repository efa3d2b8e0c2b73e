import { rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import { DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import { SEAL_KEY_BYTES } from '@holdfast/generations/format/frame-seal'
import type { CommandSpec, Given } from '../../command.ts'
import type { Context } from '../../open-context.ts'
import { formatPairs } from '../../output/table.ts'
import { completeStoreAddress } from '../../store-address.ts'

export const initCommand: CommandSpec = {
  path: ['dir', 'init'],
  summary: 'Begin a history for a directory',
  notes:
    'The directory is made if it is not there. Directories that share a store share the bytes that are equal in them. ' +
    'Keep a key file elsewhere too: without it nothing can be restored from a sealed store.',
  arguments: [{ name: 'DIR', presence: 'required', about: 'the directory to keep' }],
  options: [
    {
      flags: '--store <ADDRESS>',
      about: 'a folder, or s3://BUCKET/PREFIX?endpoint=URL&region=NAME',
      otherwise: 'HOLDFAST_STORE, else the folder store in HOLDFAST_HOME',
    },
    { flags: '--key-file <FILE>', about: 'seal the store with the 64 hex digits in this file' },
    { flags: '--new-key <FILE>', about: 'make a new key, write it to this file, and seal the store with it' },
  ],
  examples: [
    { line: 'dir init ./project', shows: 'keep generations in the store of this machine' },
    { line: 'dir init ./project --store /mnt/backup/store', shows: 'keep them on another disk' },
    {
      line: "dir init ./project --store 's3://bucket/holdfast?region=eu-west-1' --new-key ~/holdfast.key",
      shows: 'keep them, sealed, in a bucket (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set)',
    },
  ],
  async run(context, given) {
    const store = completeStoreAddress(given.option('store') ?? context.config.store.value, context.config)
    const keyFile = chooseKeyFile(context, given, store)
    const directory = await initDirectory(context, { path: given.argument('DIR'), store, ...keyFile })
    const { path, volume, workspace } = directory.config
    await context.output.show({
      text: () =>
        `Began a history for ${path}\n` +
        formatPairs([
          ['store', directory.store.address],
          ['sealed', keyFile.keyFile === null ? 'no' : `yes, with the key in ${keyFile.keyFile}`],
          ['volume', volume],
          ['id', workspace],
        ]) +
        `Next: hold dir commit ${path}\n  or: hold dir watch ${path} -- COMMAND\n`,
      json: () => ({ id: workspace, path, store: directory.store.address, volume, keyFile: keyFile.keyFile }),
      ids: () => [workspace],
    })
    return undefined
  },
}

interface KeyChoice {
  readonly keyFile: string | null
  /** The file was made just now: it goes again when the history cannot begin. */
  readonly isNew: boolean
}

/** The key that was named; else the one that this home uses with the store already. */
function chooseKeyFile(context: Context, given: Given, store: string): KeyChoice {
  const named = given.option('keyFile')
  const fresh = given.option('newKey')
  if (named !== undefined && fresh !== undefined)
    throw new Failure('invalid-argument', 'either --key-file or --new-key, not both')
  if (fresh !== undefined) return { keyFile: writeNewKey(context, resolve(fresh)), isNew: true }
  const known = context.home.orgs().find((org) => org.store === store)
  return { keyFile: named === undefined ? (known?.keyFile ?? null) : resolve(named), isNew: false }
}

function writeNewKey(context: Context, path: string): string {
  const key = Buffer.from(context.randomness.bytes(SEAL_KEY_BYTES)).toString('hex')
  try {
    writeFileSync(path, `${key}\n`, { flag: 'wx', mode: 0o600, flush: true })
    return path
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
    throw new Failure(
      'already-exists',
      `${path} exists: --key-file ${path} uses it as it is`,
      { path },
      error,
    )
  }
}

async function initDirectory(
  context: Context,
  request: KeyChoice & { readonly path: string; readonly store: string },
): Promise<DurableDirectory> {
  try {
    return context.use(await DurableDirectory.init(await context.deps('reading'), request))
  } catch (error) {
    if (request.isNew && request.keyFile !== null) rmSync(request.keyFile, { force: true })
    throw error
  }
}
