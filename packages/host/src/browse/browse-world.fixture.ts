import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import { systemRandomness } from '@holdfast/base/randomness'
import { Committer } from '@holdfast/generations/commit/committer'
import { createFrameSeal } from '@holdfast/generations/format/frame-seal'
import { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import type { GenerationRow } from '@holdfast/generations/index/generation-index'
import { SqliteGenerationIndex } from '@holdfast/generations/index/sqlite-generation-index'
import { type DrillOutcome, drillGeneration } from '@holdfast/generations/maintenance/drill-generation'
import { StagePool } from '@holdfast/generations/stage/stage-pool'
import { openFolderObjectStore } from '@holdfast/generations/store/folder-object-store'
import type { ObjectStore } from '@holdfast/generations/store/object-store'
import { BROWSE_CALLS } from '@holdfast/protocol/browse-calls'
import type { FailureCode } from '@holdfast/protocol/failures'
import { HOST_STREAMS } from '@holdfast/protocol/host-streams'
import { GenerationId, OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import type { RpcRequest, RpcResponse } from '@holdfast/protocol/rpc-table'
import { RpcClient } from '@holdfast/rpc/rpc-client'
import { RpcServer } from '@holdfast/rpc/rpc-server'
import type { BrowseBounds } from './browse-deps.ts'
import { browseRoutes } from './browse-routes.ts'

const CLUSTER_KEY = 'key of the roles'

type Calls = typeof BROWSE_CALLS
type Place = Pick<RpcRequest<Calls, 'queryGeneration'>, 'generation' | 'path'>

export interface BrowseWorldOptions {
  readonly sealKey?: Uint8Array
  readonly bounds?: Partial<BrowseBounds>
  readonly isRoot?: boolean
}

interface WorldParts {
  readonly holdfs: Holdfs
  readonly server: RpcServer
  readonly index: SqliteGenerationIndex
  readonly store: ObjectStore
  readonly defects: unknown[]
}

/** A workspace with a history in a folder and a SQLite index, and a host that answers for it on a socket. */
export class BrowseWorld implements AsyncDisposable {
  readonly path: string
  readonly org = OrgId.parse(newIdentifier('org', systemRandomness))
  readonly workspace: WorkspaceId
  readonly source: string
  readonly scratch: string
  readonly index: SqliteGenerationIndex
  readonly client: RpcClient<Calls>
  readonly defects: unknown[]
  readonly #parts: WorldParts
  readonly #options: BrowseWorldOptions
  readonly #store: ObjectStore
  readonly #pool = new StagePool(1)
  readonly #committers = new Map<string, Committer>()

  private constructor(path: string, parts: WorldParts, options: BrowseWorldOptions) {
    this.path = path
    this.source = join(path, 'workspace')
    this.scratch = join(path, 'scratch')
    this.workspace = newWorkspace()
    this.index = parts.index
    this.defects = parts.defects
    this.#parts = parts
    this.#options = options
    this.#store = parts.store
    this.client = new RpcClient(BROWSE_CALLS, {
      address: parts.server.address,
      clusterKey: CLUSTER_KEY,
      unreachable: 'host-unreachable',
    })
  }

  static async open(options: BrowseWorldOptions = {}): Promise<BrowseWorld> {
    const path = mkdtempSync(join(tmpdir(), 'holdfast-browse-'))
    chmodSync(path, 0o711) // every uid may pass, as it may to the path of real workspaces
    const index = await SqliteGenerationIndex.open({ path: join(path, 'index.db') })
    const defects: unknown[] = []
    const server = await RpcServer.listen({
      address: `unix:${join(path, 'host.sock')}`,
      clusterKey: CLUSTER_KEY,
      onDefect: (failure) => defects.push(failure),
    })
    const store = await openFolderObjectStore(join(path, 'store'), {
      clock: systemClock,
      randomness: systemRandomness,
    })
    const holdfs = await Holdfs.start()
    const world = new BrowseWorld(path, { holdfs, server, index, store, defects }, options)
    mkdirSync(world.source)
    await index.createWorkspace({ id: world.workspace, org: world.org })
    world.#serve(server)
    return world
  }

  #serve(server: RpcServer): void {
    const { bounds, isRoot = process.getuid?.() === 0 } = this.#options
    const routes = browseRoutes({
      ...this.engine,
      scratch: this.scratch,
      mountPath: this.source,
      isRoot,
      acquire: async ({ workspace }) => ({
        lease: await this.index.acquire(workspace),
        [Symbol.asyncDispose]: async () => {},
      }),
      ...(bounds ? { bounds } : {}),
    })
    server.serve(BROWSE_CALLS, routes.calls)
    server.route({ streams: routes.streams })
  }

  /** What everything that reads or commits here works with. */
  get engine() {
    const sealKey = this.#options.sealKey ?? null
    const coding = { seal: sealKey && createFrameSeal(sealKey) }
    const time = { clock: systemClock, randomness: systemRandomness }
    return { store: this.#store, index: this.index, coding, sealKey, ...time }
  }

  write(name: string | Buffer, content: string | Uint8Array): void {
    const path = Buffer.concat([Buffer.from(`${this.source}/`), Buffer.from(name)])
    if (typeof name === 'string') mkdirSync(dirname(path.toString()), { recursive: true })
    writeFileSync(path, content)
  }

  sql(name: string, ...statements: readonly string[]): void {
    using database = new DatabaseSync(join(this.source, name))
    for (const statement of statements) database.exec(statement)
  }

  /** Commits the directory, to the history of a fork where one is named. */
  async commit(workspace: WorkspaceId = this.workspace): Promise<GenerationId> {
    const committer = this.#committers.get(workspace) ?? (await this.#openCommitter(workspace))
    const outcome = await committer.commit(
      { path: this.source, changes: { kind: 'unknown' }, consistency: 'cut' },
      { cause: 'periodic', message: '' },
    )
    assert.ok(outcome.kind === 'committed')
    return GenerationId.parse(outcome.generation.id)
  }

  async #openCommitter(workspace: WorkspaceId): Promise<Committer> {
    const { holdfs } = this.#parts
    const deps = { ...this.engine, holdfs, pool: this.#pool }
    const committer = await Committer.open(deps, await this.index.acquire(workspace))
    this.#committers.set(workspace, committer)
    return committer
  }

  async fork(at: GenerationId): Promise<WorkspaceId> {
    const id = newWorkspace()
    await this.index.createWorkspace({ id, org: this.org, forkedFrom: at })
    return id
  }

  idOf({ id }: { readonly id: string }): GenerationId {
    return GenerationId.parse(id)
  }

  async drilled(generation: GenerationRow): Promise<DrillOutcome> {
    const { holdfs } = this.#parts
    const deps = {
      ...this.engine,
      holdfs,
      threads: 1,
      sealKey: this.#options.sealKey ?? null,
      isRoot: true,
    }
    return await drillGeneration(deps, {
      org: this.org,
      generation,
      scratch: this.path,
      mountPath: this.source,
    })
  }

  get of(): { readonly workspace: WorkspaceId; readonly org: OrgId } {
    return { workspace: this.workspace, org: this.org }
  }

  list(generation: GenerationId, path: string, page: { limit?: number; after?: string } = {}) {
    return this.client.call('listGenerationFiles', { ...this.of, generation, path, limit: 1000, ...page })
  }

  diff(from: GenerationId | null, to: GenerationId, rest: { limit?: number; workspace?: WorkspaceId } = {}) {
    return this.client.call('diffGenerations', { ...this.of, from, to, limit: 1000, ...rest })
  }

  query(place: Place, sql: string | null): Promise<RpcResponse<Calls, 'queryGeneration'>> {
    return this.client.call('queryGeneration', { ...this.of, ...place, sql })
  }

  async file(place: Place, range?: string) {
    const headers = range === undefined ? {} : { range }
    const query = { ...this.of, ...place }
    const answer = await this.client.stream({
      method: 'GET',
      path: HOST_STREAMS.generationFile,
      query,
      headers,
    })
    return {
      status: answer.statusCode,
      headers: answer.headers,
      bytes: Buffer.from(await answer.body.arrayBuffer()),
    }
  }

  async exported(generation?: GenerationId): Promise<Buffer> {
    const query = { ...this.of, ...(generation === undefined ? {} : { generation }) }
    const answer = await this.client.stream({ method: 'GET', path: HOST_STREAMS.bundle, query })
    return Buffer.from(await answer.body.arrayBuffer())
  }

  async imported(bundle: Uint8Array): Promise<unknown> {
    const answer = await this.client.stream({
      method: 'PUT',
      path: HOST_STREAMS.bundle,
      query: this.of,
      body: bundle,
    })
    return await answer.body.json()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]()
    await this.#parts.server[Symbol.asyncDispose]()
    await this.#pool[Symbol.asyncDispose]()
    await this.#parts.holdfs[Symbol.asyncDispose]()
    await this.#store[Symbol.asyncDispose]()
    await this.index[Symbol.asyncDispose]()
    rmSync(this.path, { recursive: true, force: true })
    // Printed, since a failure of the test itself comes first.
    for (const defect of this.defects) console.error(defect)
    assert.equal(this.defects.length, 0)
  }
}

function newWorkspace(): WorkspaceId {
  return WorkspaceId.parse(newIdentifier('ws', systemRandomness))
}

export async function refuses(work: Promise<unknown>, code: FailureCode, words = /./): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isFailure(error, code), String(error))
    assert.match(error.message, words)
    return true
  })
}

/** Kills a transaction over two databases of a directory when it has changed the first one only. */
export function killSpanningTransaction(directory: string): void {
  const [a, b] = [join(directory, 'a.db'), join(directory, 'b.db')]
  const sql = `ATTACH '${b}' AS b; BEGIN; INSERT INTO main.t VALUES (1); INSERT INTO b.t VALUES (1); COMMIT;`
  killAtWrite(b, 1, ['sqlite3', a, sql])
}

/** Kills a program at its nth write to a file. */
export function killAtWrite(file: string, nth: number, program: readonly string[]): void {
  const kill = ['-e', 'trace=pwrite64', '-e', `inject=pwrite64:signal=KILL:when=${nth}`, '-P', file]
  assert.throws(() => execFileSync('strace', ['-f', '-qq', '-o', '/dev/null', ...kill, ...program]))
}
