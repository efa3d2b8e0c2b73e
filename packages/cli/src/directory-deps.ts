import type { Clock } from '@holdfast/base/clock'
import { errnoOf } from '@holdfast/base/errno'
import { Failure, isFailure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import { type DirectoryDeps, DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import { Home } from '@holdfast/generations/directory/home'
import type { Unfinished } from '@holdfast/generations/directory/unfinished'
import { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import { SqliteGenerationIndex } from '@holdfast/generations/index/sqlite-generation-index'
import { StagePool } from '@holdfast/generations/stage/stage-pool'
import { openObjectStore } from '@holdfast/generations/store/open-object-store'
import type { Config } from './config.ts'
import { CountedObjectStore, type StoreTraffic } from './store-traffic.ts'

/** `reading` starts no native companion; only `beginning` makes a history where there is none. */
export type Use = 'reading' | 'writing' | 'beginning'

/** What of a context the engine stands on. */
interface DirectoryGround {
  readonly config: Config
  readonly clock: Clock
  readonly randomness: Randomness
  readonly isRoot: boolean
  readonly traffic: StoreTraffic
  readonly use: <T extends AsyncDisposable | Disposable>(resource: T) => T
}

/** What operations on directories need; closed with the context. */
export async function openDirectoryDeps(
  context: DirectoryGround,
  use: Use,
  unfinished: Unfinished,
): Promise<DirectoryDeps> {
  const { clock, config, isRoot, randomness, traffic } = context
  const threads = config.threads.value
  const started = use !== 'reading' ? context.use(await Holdfs.start({ clock })) : undefined
  const s3Credentials = config.s3Credentials.reveal() ?? 'aws'
  return {
    home: openHome(context),
    clock,
    randomness,
    get holdfs(): Holdfs {
      if (started) return started
      throw new Failure('internal', 'a command that only reads asked for the native companion')
    },
    pool: context.use(new StagePool(threads)),
    threads,
    isRoot,
    openStore: async (address) => {
      const store = await openObjectStore(address, { clock, randomness, s3Credentials })
      return new CountedObjectStore(store, traffic)
    },
    openIndex: (path) => openHistory(path, use === 'beginning'),
    unfinished,
  }
}

/** The directory at a path, which may be gone. Rejects with `not-found`. */
export async function openDirectory(deps: DirectoryDeps, path: string): Promise<DurableDirectory> {
  return await DurableDirectory.open(deps, path)
}

/** The registry of this user's directories, made at its first use. Throws `no-permission`. */
export function openHome({ config }: Pick<DirectoryGround, 'config'>): Home {
  const path = config.home.value
  try {
    return new Home(path)
  } catch (error) {
    const errno = errnoOf(error) ?? 'unknown'
    throw new Failure(
      'no-permission',
      `cannot make ${path} (${errno}): set HOLDFAST_HOME to a directory of your own`,
      { path, errno },
      error,
    )
  }
}

/** Rejects with `history-corrupt` where the history must be there and is not. */
async function openHistory(path: string, mayBegin: boolean): Promise<SqliteGenerationIndex> {
  try {
    return await SqliteGenerationIndex.open({ path, mustExist: !mayBegin })
  } catch (error) {
    if (!isFailure(error, 'not-found')) throw error
    throw new Failure('history-corrupt', `the history ${path} is gone`, { path }, error)
  }
}
