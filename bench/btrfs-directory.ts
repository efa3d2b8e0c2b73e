import { join } from 'node:path'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { type DirectoryWriter, DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import { Home } from '@holdfast/generations/directory/home'
import { openVolume } from '@holdfast/generations/directory/open-volume'
import { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import { SqliteGenerationIndex } from '@holdfast/generations/index/sqlite-generation-index'
import { StagePool } from '@holdfast/generations/stage/stage-pool'
import { openObjectStore } from '@holdfast/generations/store/open-object-store'
import type { Freezer, Volume } from '@holdfast/generations/volume/volume'
import { unmountBelow } from '@holdfast/testkit/remove-tree'

const THREADS = 2

/** A directory on a btrfs volume whose home is a folder of the scratch disk, as `hold dir` has it. */
export class BtrfsDirectory implements AsyncDisposable {
  readonly directory: DurableDirectory
  readonly folder: string
  readonly #stack: AsyncDisposableStack

  private constructor(folder: string, directory: DurableDirectory, stack: AsyncDisposableStack) {
    this.folder = folder
    this.directory = directory
    this.#stack = stack
  }

  static async init(folder: string): Promise<BtrfsDirectory> {
    await using stack = new AsyncDisposableStack()
    const ports = { clock: systemClock, randomness: systemRandomness }
    const holdfs = stack.use(await Holdfs.start())
    const pool = stack.use(new StagePool(THREADS))
    const deps = {
      ...ports,
      home: new Home(join(folder, 'home')),
      holdfs,
      pool,
      threads: THREADS,
      isRoot: true,
      openStore: (address: string) => openObjectStore(address, ports),
      openIndex: (path: string) => SqliteGenerationIndex.open({ path }),
    }
    const path = join(folder, 'tree')
    const request = { path, store: join(folder, 'store'), keyFile: null, volume: 'btrfs' } as const
    stack.defer(() => unmountBelow(folder, '--lazy'))
    const directory = stack.use(await DurableDirectory.init(deps, request))
    return new BtrfsDirectory(folder, directory, stack.move())
  }

  get path(): string {
    return this.directory.config.path
  }

  /** The volume and the writer of one watch. */
  async open(): Promise<OpenDirectory> {
    const volume = await openVolume(this.directory)
    return new OpenDirectory(volume, await this.directory.openWriter())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]()
  }
}

export class OpenDirectory implements AsyncDisposable {
  readonly #volume: Volume
  readonly #writer: DirectoryWriter

  constructor(volume: Volume, writer: DirectoryWriter) {
    this.#volume = volume
    this.#writer = writer
  }

  /** Captures and commits; resolves to how long writers stood still, and how long the capture took. */
  async commit(
    freezer: Freezer | null = null,
  ): Promise<{ readonly frozenMs: number; readonly localMs: number }> {
    const beganAt = systemClock.monotonicMs()
    await using capture = await this.#volume.capture(freezer)
    const localMs = systemClock.monotonicMs() - beganAt
    const outcome = await this.#writer.commit(capture.image, { cause: 'sync', message: '' })
    await capture.accept(outcome.kind === 'committed' ? outcome.generation.id : outcome.head.id)
    return { frozenMs: capture.frozenMs, localMs }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#writer.saveState()
    this.#writer[Symbol.dispose]()
    await this.#volume[Symbol.asyncDispose]()
  }
}
