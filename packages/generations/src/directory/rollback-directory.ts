import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Failure } from '@holdfast/base/failure'
import { RACY_MS } from '../commit/committer.ts'
import { fromText } from '../format/byte-string.ts'
import { chunkIdFromHex } from '../format/chunk-id.ts'
import { randomName } from '../format/names.ts'
import type { GenerationRow } from '../index/generation-index.ts'
import type { Volume } from '../volume/volume.ts'
import type { DirectoryWriter, DurableDirectory } from './durable-directory.ts'
import { syncDirectory } from './json-file.ts'
import { type OpenBtrfsVolume, openBtrfsVolume } from './open-btrfs-volume.ts'
import { openVolume } from './open-volume.ts'
import { saveRemembered } from './remembered-files.ts'
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
 * leaves the directory as it was.
 */
export async function rollbackDirectory(
  directory: DurableDirectory,
  request: RollbackRequest,
): Promise<RolledBack> {
  using writer = await directory.openWriter()
  const { generation } = request
  if (directory.config.volume === 'btrfs') {
    await using volume = await openBtrfsVolume(directory.deps, directory.config)
    const before = await commitPresent(directory, writer, volume)
    const rolledBack = await replaceSubvolume(directory, { writer, volume }, request)
    return { generation: rolledBack, before, aside: null }
  }
  refuseMountPoint(directory.config.path)
  await using volume = await openVolume(directory)
  const before = existsSync(volume.path) ? await commitPresent(directory, writer, volume) : null
  return { before, ...(await new LiveRollback(directory, writer, generation).run()) }
}

/** Deletes what a rollback put aside. */
export async function removeAside({ aside }: RolledBack): Promise<void> {
  if (aside !== null) await rm(aside, { recursive: true, force: true })
}

async function commitPresent(
  directory: DurableDirectory,
  writer: DirectoryWriter,
  volume: Volume,
): Promise<GenerationRow> {
  await using capture = await volume.capture(null)
  const outcome = await writer.commit(capture.image, { cause: 'sync', message: 'before a rollback' })
  await acceptOutcome(capture, outcome)
  return outcome.kind === 'committed' ? directory.index.generation(outcome.generation.id) : outcome.head
}

async function replaceSubvolume(
  directory: DurableDirectory,
  opened: { readonly writer: DirectoryWriter; readonly volume: OpenBtrfsVolume },
  { generation, force = false }: RollbackRequest,
): Promise<GenerationRow> {
  const { writer, volume } = opened
  const snapshot = await volume.snapshotOf(generation.id)
  let row: GenerationRow | undefined
  await volume.replace({
    from: snapshot && { path: snapshot.path, generation: generation.id },
    fill: async (path) => void (await directory.restoreInto({ generation, path })),
    force,
    commit: async () => {
      row = await adoptOld(writer, generation)
      return row.id
    },
  })
  if (row === undefined) throw new Failure('internal', 'a rollback was made without a generation')
  return row
}

function adoptOld(writer: DirectoryWriter, { id, sequence }: GenerationRow): Promise<GenerationRow> {
  return writer.adopt(id, { cause: 'rollback', message: `to generation ${sequence}` })
}

/** The old tree is restored beside the directory, and the two trade places. */
class LiveRollback {
  readonly #directory: DurableDirectory
  readonly #writer: DirectoryWriter
  readonly #generation: GenerationRow

  constructor(directory: DurableDirectory, writer: DirectoryWriter, generation: GenerationRow) {
    this.#directory = directory
    this.#writer = writer
    this.#generation = generation
  }

  async run(): Promise<Pick<RolledBack, 'generation' | 'aside'>> {
    const { folder, name } = this.#place()
    const staging = `.${name}.rolling-back-${randomName(this.#directory.deps.randomness).slice(0, 8)}`
    let committed: GenerationRow | undefined
    try {
      const seed = await this.#restore(join(folder, staging))
      committed = await adoptOld(this.#writer, this.#generation)
      const aside = await this.#exchange(staging, committed)
      if (seed) saveRemembered(this.#directory.folder, { generation: committed.id, ...seed })
      return { generation: committed, aside }
    } catch (error) {
      await rm(join(folder, staging), { recursive: true, force: true })
      throw error
    }
  }

  #place(): { readonly folder: string; readonly name: string } {
    const { path } = this.#directory.config
    return { folder: dirname(path), name: basename(path) }
  }

  async #restore(path: string): Promise<Seed | undefined> {
    mkdirSync(path, { mode: 0o700 })
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
function refuseMountPoint(path: string): void {
  const inside = statSync(path, { throwIfNoEntry: false })
  if (inside === undefined || inside.dev === statSync(dirname(path)).dev) return
  const said = `${path} is a mount point: restore the generation elsewhere and copy it in`
  throw new Failure('unsupported-here', said, { path })
}
