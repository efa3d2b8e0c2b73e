import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeTree } from '@holdfast/testkit/remove-tree'
import type { CommitOutcome, CommitRequest } from '../commit/committer.ts'
import type { GenerationRow } from '../index/generation-index.ts'
import { DurableDirectory } from './durable-directory.ts'
import type { DirectoryConfig } from './home.ts'
import { openVolume } from './open-volume.ts'
import { acceptOutcome } from './watch-rounds.ts'
import { openDeps } from './watched-directory.fixture.ts'

/** A directory with a new history, in a place of its own that goes with all that is mounted in it. */
export class KeptDirectory implements AsyncDisposable {
  readonly base: string
  readonly deps: Awaited<ReturnType<typeof openDeps>>
  readonly directory: DurableDirectory

  private constructor(base: string, deps: Awaited<ReturnType<typeof openDeps>>, directory: DurableDirectory) {
    this.base = base
    this.deps = deps
    this.directory = directory
  }

  static async make(volume: DirectoryConfig['volume']): Promise<KeptDirectory> {
    const base = mkdtempSync(join(tmpdir(), 'holdfast-kept-'))
    const deps = await openDeps(join(base, 'home'))
    const path = join(base, 'files')
    try {
      const request = { path, store: join(base, 'store'), keyFile: null, volume }
      return new KeptDirectory(base, deps, await DurableDirectory.init(deps, request))
    } catch (error) {
      removeTree(base)
      await deps[Symbol.asyncDispose]()
      throw error
    }
  }

  get path(): string {
    return this.directory.config.path
  }

  /** Commits what a directory holds, as a process of its own would. */
  async commit(
    directory = this.directory,
    request: CommitRequest = { cause: 'sync', message: '' },
  ): Promise<CommitOutcome> {
    using writer = await directory.openWriter()
    await using volume = await openVolume(directory)
    await using capture = await volume.capture(null)
    const outcome = await writer.commit(capture.image, request)
    await acceptOutcome(capture, outcome)
    writer.saveState()
    return outcome
  }

  /** As `commit`, to the row. */
  async committed(directory = this.directory): Promise<GenerationRow> {
    await this.commit(directory)
    return await directory.find()
  }

  /** A generation restored to a new place. */
  async restored(generation: GenerationRow, directory = this.directory): Promise<string> {
    mkdirSync(join(this.base, 'restored'), { recursive: true })
    const path = mkdtempSync(join(this.base, 'restored', 'at-'))
    await directory.restore({ generation, path })
    return path
  }

  /** Objects put since `since` calls of the store. */
  puts(since = 0): number {
    return this.deps.stores.reduce((sum, store) => sum + store.calls.filter(isPut).length, -since)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.directory[Symbol.asyncDispose]()
    await this.deps[Symbol.asyncDispose]()
    removeTree(this.base)
  }
}

function isPut({ operation }: { readonly operation: string }): boolean {
  return operation === 'put'
}
