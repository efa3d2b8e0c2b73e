import { join } from 'node:path'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import { Home } from '@holdfast/generations/directory/home'
import { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import { SqliteGenerationIndex } from '@holdfast/generations/index/sqlite-generation-index'
import { StagePool } from '@holdfast/generations/stage/stage-pool'
import { openObjectStore } from '@holdfast/generations/store/open-object-store'
import type { ObservedPorts } from '@holdfast/testkit/observed-ports'

/** Where a durable directory keeps its history: everything below `root`. The directory itself is elsewhere. */
export interface DurableHome {
  readonly root: string
  readonly directory: string
}

/** Opens the durable directory of that home, begun if it is new, for as long as `use` runs; its ports can be observed. */
export async function withDurableDirectory<T>(
  { root, directory }: DurableHome,
  use: (durable: DurableDirectory) => Promise<T>,
  observe: ObservedPorts['observe'] = (port) => port,
): Promise<T> {
  await using started = await Holdfs.start()
  const holdfs = observe(started, 'holdfs')
  await using pool = new StagePool(1)
  const ports = { clock: systemClock, randomness: systemRandomness }
  const home = new Home(join(root, 'home'))
  const deps = {
    ...ports,
    home,
    holdfs,
    pool,
    threads: 1,
    isRoot: true,
    openStore: async (address: string) => observe(await openObjectStore(address, ports), 'store'),
    openIndex: async (path: string) => observe(await SqliteGenerationIndex.open({ path }), 'index'),
  }
  const isKnown = home.directories().some((known) => known.path === directory)
  await using durable = isKnown
    ? await DurableDirectory.open(deps, directory)
    : await DurableDirectory.init(deps, { path: directory, store: join(root, 'store'), keyFile: null })
  return await use(durable)
}
