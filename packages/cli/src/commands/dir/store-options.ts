import { rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import { SEAL_KEY_BYTES } from '@holdfast/generations/format/frame-seal'
import type { Given, OptionSpec } from '../../command.ts'
import { openHome } from '../../directory-deps.ts'
import type { Context } from '../../open-context.ts'
import { completeStoreAddress } from '../../store-address.ts'

/** Of commands that begin a history. */
export const STORE_OPTIONS: readonly OptionSpec[] = [
  {
    flags: '--store <ADDRESS>',
    about: 'a folder, or s3://BUCKET/PREFIX?endpoint=URL&region=NAME',
    otherwise: 'HOLDFAST_STORE, else the folder store in HOLDFAST_HOME',
  },
  { flags: '--key-file <FILE>', about: 'seal the store with the 64 hex digits in this file' },
  { flags: '--new-key <FILE>', about: 'make a new key, write it to this file, and seal the store with it' },
]

/** Where a new history is kept, and the key that seals it. */
export interface StoreChoice {
  readonly store: string
  readonly keyFile: string | null
}

/**
 * Runs `begin` with the store that was asked for, and the key: the one that was named, else the one that this home uses
 * with the store already. A key that is made for it goes again when `begin` rejects.
 */
export async function withStore<T>(
  context: Context,
  given: Given,
  begin: (choice: StoreChoice) => Promise<T>,
): Promise<T> {
  const store = completeStoreAddress(given.option('store') ?? context.config.store.value, context.config)
  const named = given.option('keyFile')
  const fresh = given.option('newKey')
  if (named !== undefined && fresh !== undefined)
    throw new Failure('invalid-argument', 'either --key-file or --new-key, not both')
  if (fresh === undefined) {
    const known = openHome(context)
      .orgs()
      .find((org) => org.store === store)
    return await begin({ store, keyFile: named === undefined ? (known?.keyFile ?? null) : resolve(named) })
  }
  const keyFile = writeNewKey(context, resolve(fresh))
  try {
    return await begin({ store, keyFile })
  } catch (error) {
    rmSync(keyFile, { force: true })
    throw error
  }
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
