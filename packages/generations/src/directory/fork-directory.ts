import { existsSync, mkdirSync, readdirSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { Failure, isFailure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import type { GenerationRow } from '../index/generation-index.ts'
import type { BoundDatabase } from '../restore/bound-databases.ts'
import { commitDirectory } from './commit-directory.ts'
import { DurableDirectory } from './durable-directory.ts'
import type { DirectoryConfig } from './home.ts'
import { localSnapshot } from './local-generations.ts'
import { openBtrfsVolume } from './open-btrfs-volume.ts'
import { saveRemembered } from './remembered-files.ts'
import { seedFrom } from './rollback-directory.ts'
import type { Seed } from './seed-state.ts'
import { tidyWhenDue } from './tidy-when-due.ts'

export interface ForkRequest {
  /** Absent: the present state, which is committed first. */
  readonly generation?: GenerationRow
  /** Where the fork will be: absent, or an empty directory. */
  readonly path: string
}

export interface ForkedDirectory {
  readonly config: DirectoryConfig
  /** The fork's first generation. */
  readonly generation: GenerationRow
  /** Databases that must not be opened at the fork's path; a fork of a local snapshot does not look for them. */
  readonly bound: readonly BoundDatabase[]
}

/**
 * Begins an independent directory with the tree of a generation of another one. It shares what is stored and nothing
 * else: no byte of the tree is uploaded, and what happens to one never shows in the other. Rejects with `not-empty`,
 * `already-exists`, and as commits and restores do; without `generation` with `lease-held` too.
 */
export async function forkDirectory(
  directory: DurableDirectory,
  request: ForkRequest,
): Promise<ForkedDirectory> {
  const { deps } = directory
  const path = freePath(request.path)
  if (deps.home.directories().some((known) => known.path === path))
    throw new Failure('already-exists', `${path} has a history already`, { path })
  const point = request.generation ?? (await presentState(directory))
  const fork = new Fork(directory, path, point)
  await using child = await fork.register()
  const generation = await fork.commit(child)
  return { config: child.config, generation, bound: fork.bound }
}

async function presentState(directory: DurableDirectory): Promise<GenerationRow> {
  await commitDirectory(directory.deps, { path: directory.config.path, wish: { kind: 'sync' } })
  return await directory.find()
}

function freePath(path: string): string {
  const absolute = resolve(path)
  mkdirSync(dirname(absolute), { recursive: true })
  const real = join(realpathSync(dirname(absolute)), basename(absolute))
  if (existsSync(real) && readdirSync(real).length > 0)
    throw new Failure('not-empty', `${real} exists and is not empty`, { path: real })
  return real
}

class Fork {
  readonly #directory: DurableDirectory
  readonly #path: string
  readonly #point: GenerationRow
  #seed: Seed | undefined
  bound: readonly BoundDatabase[] = []

  constructor(directory: DurableDirectory, path: string, point: GenerationRow) {
    this.#directory = directory
    this.#path = path
    this.#point = point
  }

  /** From a local snapshot where there is one within reach, else by a restore. */
  async register(): Promise<DurableDirectory> {
    const snapshot = await localSnapshot(this.#directory, this.#point.id)
    if (snapshot === undefined) return await this.#register()
    try {
      return await this.#register(snapshot.path)
    } catch (error) {
      const isElsewhere = isFailure(error, 'source-failed') && error.details.errno === 'EXDEV'
      // A watcher of the parent may have deleted the snapshot meanwhile.
      if (!isElsewhere && !isFailure(error, 'not-found')) throw error
      return await this.#register()
    }
  }

  #register(snapshot?: string): Promise<DurableDirectory> {
    const { deps, config } = this.#directory
    const { org, volume } = config
    const workspace = newIdentifier('ws', deps.randomness)
    const child = { format: 1, workspace, org, path: this.#path, volume } as const
    const generation = this.#point.id
    return DurableDirectory.register(deps, child, {
      generation,
      snapshot: snapshot === undefined ? undefined : { path: snapshot, generation },
      fill: (path) => this.#fill(path),
    })
  }

  async #fill(path: string): Promise<void> {
    const generation = this.#point
    if (this.#directory.config.volume === 'btrfs') {
      this.bound = (await this.#directory.restoreInto({ generation, path })).bound
      return
    }
    const beforeVisible = async (staged: string) => {
      this.#seed = await seedFrom(this.#directory, generation, staged)
    }
    this.bound = (await this.#directory.restore({ generation, path, beforeVisible })).bound
  }

  async commit(child: DurableDirectory): Promise<GenerationRow> {
    const { id, sequence } = this.#point
    const message = `of ${this.#directory.config.path} at generation ${sequence}`
    using held = await child.hold()
    const row = await child.commitRoot(held.lease, id, { cause: 'fork', message })
    await tidyWhenDue(child, held.lease) // packs of forks of forks add up; one that fails is for the next commit
    if (this.#seed) saveRemembered(child.folder, { generation: row.id, ...this.#seed })
    if (child.config.volume === 'btrfs') {
      await using volume = await openBtrfsVolume(child.deps, child.config)
      await volume.alias(id, row.id)
    }
    return row
  }
}
