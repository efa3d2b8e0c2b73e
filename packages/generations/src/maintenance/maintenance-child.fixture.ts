import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { SqliteGenerationIndex } from '../index/sqlite-generation-index.ts'
import { openFolderObjectStore } from '../store/folder-object-store.ts'
import { collectGarbage } from './collect-garbage.ts'
import { compactWorkspace } from './compact-workspace.ts'
import type { Failpoint } from './maintenance-deps.ts'

/*
 * A process that compacts and collects garbage once: `node maintenance-child.fixture.ts STORE INDEX ORG WORKSPACE FAILPOINT`.
 * It ends itself with SIGKILL at the failpoint, and prints `done` when it gets to its end.
 */
const [storePath = '', indexPath = '', org = '', workspace = '', killAt = ''] = process.argv.slice(2)

await using store = await openFolderObjectStore(storePath, {
  clock: systemClock,
  randomness: systemRandomness,
})
await using index = await SqliteGenerationIndex.open({ path: indexPath })
const deps = {
  store,
  index,
  coding: { seal: null },
  clock: { ...systemClock, sleep: async () => {} },
  randomness: systemRandomness,
  failpoint: (name: Failpoint) => {
    if (name === killAt) process.kill(process.pid, 'SIGKILL')
  },
}
await compactWorkspace(deps, { lease: await index.acquire(workspace), always: true })
await collectGarbage(deps, { org })
console.log('done')
