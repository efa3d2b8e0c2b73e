import type { Randomness } from '@holdfast/base/randomness'
import type { ByteString } from '../format/byte-string.ts'
import type { ChunkIndex } from '../format/chunk-index.ts'
import { createFrameSeal } from '../format/frame-seal.ts'
import { newPackName } from '../format/names.ts'
import { type BuiltPack, PackBuilder } from '../format/pack-builder.ts'
import type { HoldableDatabase, HoldScope } from '../live-sqlite/database-hold.ts'
import type { ChangeFeed } from '../scan/change-feed.ts'
import { LinkIds } from '../scan/link-ids.ts'
import { SourceDirectory } from '../scan/source-directory.ts'
import type { SurveyedDirectory } from '../scan/survey.ts'
import type { TreeState } from '../scan/tree-state.ts'
import { ChunkSink } from './chunk-sink.ts'
import type { DatabaseMemory } from './database-memory.ts'
import { DatabaseStager } from './database-stager.ts'
import { FileStager } from './file-stager.ts'
import { holdableDatabases } from './holdable-databases.ts'
import type { StageSession } from './stage-messages.ts'
import { TreeStager } from './tree-stager.ts'

export interface StageEngineDeps {
  readonly randomness: Randomness
  readonly onPack: (pack: BuiltPack) => void
  /** Every chunk that is stored already. */
  readonly known: ChunkIndex
}

/** One thread's part in staging one commit: a source to read, a sink for chunks, packs that fill. */
export class StageEngine implements Disposable {
  readonly source: SourceDirectory
  readonly sink: ChunkSink
  readonly files: FileStager
  readonly builder: PackBuilder
  readonly mayVanish: boolean
  readonly #links: LinkIds
  readonly #holdScope: HoldScope

  constructor(deps: StageEngineDeps, session: StageSession) {
    const coding = { seal: session.sealKey && createFrameSeal(session.sealKey) }
    const nextName = () => newPackName(session.lease, deps.randomness)
    this.source = new SourceDirectory(session.sourcePath)
    this.builder = new PackBuilder({ coding, nextName, onPack: deps.onPack })
    this.sink = new ChunkSink(deps.known, this.builder)
    this.files = new FileStager(this.source, this.sink)
    this.#links = new LinkIds(session.links)
    this.#holdScope = session.holdScope
    this.mayVanish = session.mayVanish
  }

  /** A stager over this thread's source and sink. */
  treeStager(remembered: { state: TreeState; memories: DatabaseMemories }, feed?: ChangeFeed) {
    const { source, sink, files } = this
    const databases = new DatabaseStager({ files, sink, memories: remembered.memories })
    const linkOf = (inode: number) => this.#links.of(inode)
    const { state } = remembered
    return {
      databases,
      stager: new TreeStager({
        ...{ source, sink, files, databases, state, feed, linkOf },
        mayVanish: this.mayVanish,
      }),
    }
  }

  /** The databases among the changed files that are held before they are read. */
  holdable(surveyed: readonly SurveyedDirectory[]): HoldableDatabase[] {
    return holdableDatabases(surveyed, this.files, this.#holdScope)
  }

  [Symbol.dispose](): void {
    this.source[Symbol.dispose]()
  }
}

export type DatabaseMemories = ReadonlyMap<ByteString, DatabaseMemory | Uint8Array>
