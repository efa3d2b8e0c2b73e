import { existsSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { readKeyFile } from '@holdfast/generations/directory/durable-directory'
import type { OrgConfig } from '@holdfast/generations/directory/home'
import { syncDirectory } from '@holdfast/generations/directory/json-file'
import { createFrameSeal } from '@holdfast/generations/format/frame-seal'
import { SqliteGenerationIndex } from '@holdfast/generations/index/sqlite-generation-index'
import { type RebuiltIndex, rebuildIndex } from '@holdfast/generations/maintenance/rebuild-index'
import { openHome } from './directory-deps.ts'
import type { Context } from './open-context.ts'

const SQLITE_FILES = ['', '-wal', '-shm'] as const

/**
 * Makes the history of an org anew from its store, and puts it in the place of the old file, which is kept beside it.
 * Until then nothing is changed. Rejects as `rebuildIndex` does.
 */
export async function rebuildHistory(context: Context, org: OrgConfig): Promise<RebuiltIndex> {
  const path = openHome(context).indexPath(org.org)
  const fresh = `${path}.rebuilding`
  for (const suffix of SQLITE_FILES) rmSync(fresh + suffix, { force: true })
  const rebuilt = await rebuildInto(context, org, fresh)
  const aside = `${path}.replaced-${context.clock.wallMs()}`
  for (const suffix of SQLITE_FILES) if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix)
  renameSync(fresh, path)
  syncDirectory(dirname(path))
  return rebuilt
}

/** The file is complete and closed when it resolves. */
async function rebuildInto(context: Context, org: OrgConfig, path: string): Promise<RebuiltIndex> {
  const { openStore } = await context.deps('reading')
  await using store = await openStore(org.store)
  await using index = await SqliteGenerationIndex.open({ path })
  const coding = { seal: org.keyFile === null ? null : createFrameSeal(readKeyFile(org.keyFile)) }
  return await rebuildIndex(
    { store, index, coding, clock: context.clock, randomness: context.randomness },
    org.org,
  )
}
