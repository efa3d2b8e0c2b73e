import { existsSync } from 'node:fs'
import { Failure, isFailure } from '@holdfast/base/failure'
import { DurableDirectory, realPath } from '@holdfast/generations/directory/durable-directory'
import type { OrgConfig } from '@holdfast/generations/directory/home'
import type { RebuiltIndex, RebuiltWorkspace } from '@holdfast/generations/maintenance/rebuild-index'
import { listOrgs } from '@holdfast/generations/maintenance/survey-store'
import type { CommandSpec, Given } from '../../command.ts'
import { openHome } from '../../directory-deps.ts'
import type { Context } from '../../open-context.ts'
import { printable } from '../../output/printable.ts'
import { counted, formatCount, shortId } from '../../output/quantities.ts'
import { type Column, formatTable } from '../../output/table.ts'
import { rebuildHistory } from '../../rebuild-history.ts'
import { completeStoreAddress } from '../../store-address.ts'
import { holdWriters } from './hold-writers.ts'
import { DIR } from './parameters-of-dir.ts'

export const rebuildCommand: CommandSpec = {
  path: ['dir', 'rebuild'],
  summary: 'Recover a lost history from the store alone',
  notes:
    'For a directory that this home knows, the history file is made anew. On a fresh machine, --store names the store, ' +
    'and DIR the path that the directory shall have here; then `hold dir restore DIR` brings it back. Use it only when ' +
    'the home that kept the history is gone: two homes must not both write to it.',
  arguments: [{ ...DIR, about: 'the directory whose history is lost' }],
  options: [
    { flags: '--store <ADDRESS>', about: 'take up a history of this store, which this home does not know' },
    { flags: '--key-file <FILE>', about: 'the key that the store is sealed with' },
    { flags: '--id <ID>', about: 'which directory of the store, where it holds several' },
    { flags: '--force', about: 'replace a history that can be read' },
  ],
  examples: [
    { line: 'dir rebuild ./project', shows: 'after HOLDFAST_HOME lost or damaged its history' },
    { line: 'dir rebuild ./project --store /mnt/backup/store', shows: 'on a fresh machine' },
  ],
  async run(context, given) {
    const path = realPath(given.argument('DIR'))
    const rebuilt =
      given.option('store') === undefined
        ? await rebuildKnown(context, given, path)
        : await takeUp(context, given, path)
    const { workspace } = openHome(context).directoryAt(path)
    await context.output.show({
      text: () => describe(context, rebuilt, path),
      json: () => ({ path, id: workspace, rebuilt }),
      ids: () => [workspace],
    })
    return undefined
  },
}

/** Rejects with `not-found`, and with `already-exists` for a history that can be read, unless that is forced. */
async function rebuildKnown(context: Context, given: Given, path: string): Promise<RebuiltIndex> {
  const known = openHome(context)
    .directories()
    .find((each) => each.path === path)
  if (!known) {
    const message = `${path} is not known here: name the store that holds its history with --store`
    throw new Failure('not-found', message, { path })
  }
  if (!given.has('force') && (await isReadable(context, path))) {
    const message = `the history of ${path} can be read: \`hold dir history ${path}\` (--force replaces it)`
    throw new Failure('already-exists', message, { path })
  }
  using _held = holdWriters(context, known.org)
  return await rebuilding(context, openHome(context).org(known.org))
}

async function isReadable(context: Context, path: string): Promise<boolean> {
  try {
    await using directory = await DurableDirectory.open(await context.deps('reading'), path)
    await directory.index.workspace(directory.config.workspace)
    return true
  } catch (error) {
    if (isFailure(error, 'not-found', 'history-corrupt', 'index-unavailable')) return false
    throw error
  }
}

/** Makes a directory of a store known to this home. Null where the history of the store is here already. */
async function takeUp(context: Context, given: Given, path: string): Promise<RebuiltIndex | null> {
  const home = openHome(context)
  if (home.directories().some((each) => each.path === path))
    throw new Failure('already-exists', `${path} has a history here already`, { path })
  const store = completeStoreAddress(given.option('store') ?? '', context.config)
  const { org, workspace } = await chooseWorkspace(context, given, store)
  const kept = home.directories().find((each) => each.workspace === workspace)
  if (kept)
    throw new Failure('already-exists', `that history is kept here for ${kept.path}`, { path: kept.path })
  const keyFile = given.option('keyFile')
  const config: OrgConfig = {
    format: 1,
    org,
    store,
    keyFile: keyFile === undefined ? null : realPath(keyFile),
  }
  const isHere = existsSync(home.indexPath(org))
  if (!isHere) home.saveOrg(config)
  const rebuilt = isHere ? null : await rebuilding(context, config)
  home.saveDirectory({ format: 1, workspace, org, path, volume: 'live' })
  return rebuilt
}

async function chooseWorkspace(
  context: Context,
  given: Given,
  address: string,
): Promise<{ readonly org: string; readonly workspace: string }> {
  const { openStore } = await context.deps('reading')
  await using store = await openStore(address)
  const id = given.option('id')
  const all = [...(await listOrgs(store))].flatMap(([org, workspaces]) =>
    [...workspaces].map((workspace) => ({ org, workspace })),
  )
  const matching = id === undefined ? all : all.filter(({ workspace }) => workspace.startsWith(id))
  const [only, second] = matching
  if (only && !second) return only
  if (!only)
    throw new Failure('not-found', `${address} holds no history${id === undefined ? '' : ` of ${id}`}`)
  const names = matching.map(({ workspace }) => workspace).join(' ')
  throw new Failure('invalid-argument', `${address} holds several directories: name one with --id: ${names}`)
}

async function rebuilding(context: Context, org: OrgConfig): Promise<RebuiltIndex> {
  const state = () => ({ bytesDone: context.traffic.bytesGot })
  return await context.output.during('rebuilding', state, () => rebuildHistory(context, org))
}

const COLUMNS: readonly Column<RebuiltWorkspace & { readonly path: string }>[] = [
  { title: 'ID', cell: ({ id }) => id },
  { title: 'HEAD', cell: ({ head }) => (head === null ? '-' : shortId(head)) },
  { title: 'RESTORABLE', align: 'right', cell: ({ restorable }) => formatCount(restorable) },
  { title: 'LOST', align: 'right', cell: ({ lost }) => formatCount(lost) },
  { title: 'PATH', cell: ({ path }) => path },
]

function describe(context: Context, rebuilt: RebuiltIndex | null, path: string): string {
  const next = `Next: hold dir history ${path}\n  or: hold dir restore ${path}\n`
  if (rebuilt === null) return `Took up ${path}: its history was here already\n${next}`
  const pathOf = new Map(
    openHome(context)
      .directories()
      .map((each) => [each.workspace, each.path]),
  )
  const rows = rebuilt.workspaces.map((each) => ({ ...each, path: pathOf.get(each.id) ?? '-' }))
  const damaged = rebuilt.damaged.map(
    ({ object, problem }) => `  damaged: ${printable(`${object}: ${problem}`)}\n`,
  )
  const title = `Recovered ${counted(rows.length, 'history', 'histories')} from the store\n`
  return title + formatTable(COLUMNS, rows, context.output) + damaged.join('') + next
}
