import { existsSync, renameSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Failure } from '@holdfast/base/failure'
import { RACY_MS } from '../commit/committer.ts'
import { fromText } from '../format/byte-string.ts'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import type { GenerationRow, HeldLease } from '../index/generation-index.ts'
import { isEmpty, type Volume } from '../volume/volume.ts'
import type { DurableDirectory } from './durable-directory.ts'
import type { HeldHistory } from './held-history.ts'
import { syncDirectory } from './json-file.ts'
import { openBtrfsVolume } from './open-btrfs-volume.ts'
import { openVolume } from './open-volume.ts'
import { saveRemembered } from './remembered-files.ts'
import { makeStaging, removeAbandoned } from './restore-staging.ts'
import { type Seed, seedTreeState } from './seed-state.ts'
import { acceptOutcome } from './watch-rounds.ts'

export interface RollbackRequest {
  readonly generation: GenerationRow
  /** Takes the directory away from processes that use it. */
  readonly force?: boolean
}

export interface RolledBack {
  /** The newest generation, with the tree of the old one. */
  readonly generation: GenerationRow
  /** Holds what the directory held before; null where nothing was there to commit. */
  readonly before: GenerationRow | null
  /** The old directory, put aside: `removeAside` deletes it, when nobody waits. Null: nothing was left. */
  readonly aside: string | null
}

/**
 * Continues a directory from an older generation, as a new generation: what it holds now is committed first, and no
 * history is lost. Rejects with `lease-held` while another process writes the history or, unless forced, uses a btrfs
 * volume; with `unsupported-here` where the directory cannot be exchanged; and as commits and restores do. A failure
 * leaves the directory as it was; what one that was killed left beside it, the next one removes.
 */
export async function rollbackDirectory(
  directory: DurableDirectory,
  request: RollbackRequest,
): Promise<RolledBack> {
  using held = await directory.hold()
  await using volume = await openVolume(directory)
  refuseMountPoint(directory.config)
  const before = existsSync(volume.path) ? await commitPresent(directory, held, volume) : null
  return { before, ...(await replaceTree(directory, held.lease, request)) }
}

export interface TreeReplacement extends RollbackRequest {
  /** Called when the old tree is there, before its generation is made: its failure leaves all as it was. */
  readonly beforeCommit?: () => Promise<void>
  /** Called when its generation is made, before the trees trade places: for what may go on meanwhile. */
  readonly beforeExchange?: () => Promise<void>
}

/**
 * Puts the tree of an older generation in the place of the present one, as a new generation. What the directory held
 * since its last commit is lost, unless `beforeCommit` saves it. Rejects as `rollbackDirectory` does.
 */
export async function replaceTree(
  directory: DurableDirectory,
  lease: HeldLease,
  request: TreeReplacement,
): Promise<Pick<RolledBack, 'generation' | 'aside'>> {
  const { id, sequence } = request.generation
  const commitOld = async () => {
    await request.beforeCommit?.()
    const commit = { cause: 'rollback', message: `to generation ${sequence}` } as const
    const row = await directory.commitRoot(lease, id, commit)
    await request.beforeExchange?.()
    return row
  }
  if (directory.config.volume === 'btrfs')
    return { generation: await replaceSubvolume(directory, request, commitOld), aside: null }
  refuseMountPoint(directory.config)
  return await new LiveRollback(directory, request.generation, commitOld).run()
}

/** Deletes what a rollback put aside. */
export async function removeAside({ aside }: RolledBack): Promise<void> {
  if (aside !== null) await rm(aside, { recursive: true, force: true })
}

/** Nothing is remembered or read where the volume knows that nothing has changed. */
async function commitPresent(
  directory: DurableDirectory,
  held: HeldHistory,
  volume: Volume,
): Promise<GenerationRow> {
  await using capture = await volume.capture(null)
  const { head } = await directory.index.workspace(directory.config.workspace)
  const { changes } = capture.image
  if (head !== null && changes.kind === 'listed' && changes.since === head && isEmpty(changes))
    return directory.index.generation(head)
  const writer = await directory.openWriter(held)
  const outcome = await writer.commit(capture.image, { cause: 'sync', message: 'before a rollback' })
  await acceptOutcome(capture, outcome)
  return outcome.kind === 'committed' ? directory.index.generation(outcome.generation.id) : outcome.head
}

async function replaceSubvolume(
  directory: DurableDirectory,
  { generation, force = false }: RollbackRequest,
  commitOld: CommitOld,
): Promise<GenerationRow> {
  await using volume = await openBtrfsVolume(directory.deps, directory.config)
  const snapshot = await volume.snapshotOf(generation.id)
  let row: GenerationRow | undefined
  await volume.replace({
    from: snapshot && { path: snapshot.path, generation: generation.id },
    fill: async (path) => void (await directory.restoreInto({ generation, path })),
    force,
    commit: async () => {
      row = await commitOld()
      return row.id
    },
  })
  if (row === undefined) throw new Failure('internal', 'a rollback was made without a generation')
  return row
}

type CommitOld = () => Promise<GenerationRow>

/** The old tree is restored beside the directory, and the two trade places. */
class LiveRollback {
  readonly #directory: DurableDirectory
  readonly #generation: GenerationRow
  readonly #commitOld: CommitOld

  constructor(directory: DurableDirectory, generation: GenerationRow, commitOld: CommitOld) {
    this.#directory = directory
    this.#generation = generation
    this.#commitOld = commitOld
  }

  async run(): Promise<Pick<RolledBack, 'generation' | 'aside'>> {
    const { path } = this.#directory.config
    await removeAbandoned(path)
    const staging = makeStaging(path, this.#directory.deps.randomness, 'rolling-back')
    let committed: GenerationRow | undefined
    try {
      const seed = await this.#restore(staging)
      committed = await this.#commitOld()
      const aside = await this.#exchange(basename(staging), committed)
      if (seed) saveRemembered(this.#directory.folder, { generation: committed.id, ...seed })
      return { generation: committed, aside }
    } catch (error) {
      await rm(staging, { recursive: true, force: true })
      throw error
    }
  }

  #place(): { readonly folder: string; readonly name: string } {
    const { path } = this.#directory.config
    return { folder: dirname(path), name: basename(path) }
  }

  async #restore(path: string): Promise<Seed | undefined> {
    await this.#directory.restoreInto({ generation: this.#generation, path })
    return await seedFrom(this.#directory, this.#generation, path)
  }

  /** Returns where the old directory went. */
  async #exchange(staging: string, { sequence }: GenerationRow): Promise<string | null> {
    const { folder, name } = this.#place()
    const path = join(folder, name)
    if (!existsSync(path)) {
      renameSync(join(folder, staging), path)
      syncDirectory(folder)
      return null
    }
    await this.#directory.deps.holdfs.exchange(fromText(folder), fromText(name), fromText(staging))
    const aside = join(folder, `.${name}.before-rollback-${sequence}`)
    renameSync(join(folder, staging), aside)
    syncDirectory(folder)
    return aside
  }
}

/** What a commit would remember of a generation that was just restored at a path where nobody writes. */
export async function seedFrom(
  directory: DurableDirectory,
  generation: GenerationRow,
  path: string,
): Promise<Seed | undefined> {
  const chunks = await directory.chunkReader()
  const racyFromMs = directory.deps.clock.wallMs() - RACY_MS
  return await seedTreeState({ chunks, root: chunkIdFromHex(generation.root), path, racyFromMs })
}

/** What is mounted cannot trade places with what lies beside it. */
function refuseMountPoint({ path, volume }: DurableDirectory['config']): void {
  if (volume === 'btrfs') return
  const inside = statSync(path, { throwIfNoEntry: false })
  if (inside === undefined || inside.dev === statSync(dirname(path)).dev) return
  const said = `${path} is a mount point: restore the generation elsewhere and copy it in`
  throw new Failure('unsupported-here', said, { path })
}
