import { Failure } from '@holdfast/base/failure'
import { type ByteString, parentPath } from '../format/byte-string.ts'
import type { Content } from '../format/content.ts'
import { contentBytes } from '../format/content.ts'
import type { BuiltPack } from '../format/pack-builder.ts'
import type { NamedChanges } from '../scan/change-feed.ts'
import type { EncodedState, TreeState } from '../scan/tree-state.ts'
import { encodeDatabaseMemory } from './database-memory.ts'
import { type ByteSpan, segmentsOf } from './segments.ts'
import type { DatabaseMemories } from './stage-engine.ts'
import type {
  BuildReply,
  CloseReply,
  LargeFile,
  PreparedFile,
  SegmentReply,
  StageSession,
  SurveyReply,
} from './stage-messages.ts'
import type { StagePool, StageThread } from './stage-pool.ts'

/** A subtree, or (`flat`) one directory without its subdirectories. */
export interface StageJob {
  readonly top: ByteString
  readonly flat: boolean
  /** What a change feed says of the names in it; absent: there is none. */
  readonly named?: NamedChanges
}

export interface JobsDone {
  readonly builds: readonly BuildReply[]
  readonly usedPacks: ReadonlySet<string>
}

interface JobDeps {
  readonly pool: StagePool
  readonly onPack: (pack: BuiltPack) => Promise<void>
}

interface JobInput {
  readonly session: StageSession
  readonly state: TreeState
  readonly memories: DatabaseMemories
}

/** Runs jobs on the staging threads: survey all, share the segments of large files, build all. */
export async function runJobs(deps: JobDeps, input: JobInput, jobs: readonly StageJob[]): Promise<JobsDone> {
  const threads = deps.pool.threads()
  await allSettled(threads.map((thread) => thread.open(input.session, deps.onPack)))
  const remembered = rememberedByJob(input, jobs)
  const surveyed = await shareOut(threads, jobs, async (thread, job) => {
    const reply = (await thread.request({
      kind: 'survey',
      ...job,
      ...(remembered.get(job) ?? { states: [], memories: [] }),
    })) as SurveyReply
    return { job, thread, large: reply.large }
  })
  const prepared = await readLargeFiles(
    threads,
    surveyed.flatMap(({ large }) => large),
  )
  const builds = await allSettled(
    surveyed.map(
      async ({ job, thread }) =>
        (await thread.request({ kind: 'build', top: job.top, prepared })) as BuildReply,
    ),
  )
  const closed = await allSettled(
    threads.map(async (thread) => (await thread.request({ kind: 'close' })) as CloseReply),
  )
  return { builds, usedPacks: new Set(closed.flatMap(({ usedPacks }) => usedPacks)) }
}

/** Gives each thread the next item as soon as it is free, until one fails. */
async function shareOut<T, R>(
  threads: readonly StageThread[],
  items: readonly T[],
  run: (thread: StageThread, item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const work = async (thread: StageThread) => {
    while (next < items.length) {
      const index = next++
      try {
        results[index] = await run(thread, items[index] as T)
      } catch (error) {
        next = items.length
        throw error
      }
    }
  }
  await allSettled(threads.map(work))
  return results
}

interface RememberedOfJob {
  readonly states: EncodedState[]
  readonly memories: EncodedState[]
}

/** What the last commit knew of each job's directories and databases, sorted out in one pass. */
function rememberedByJob(
  { state, memories }: JobInput,
  jobs: readonly StageJob[],
): Map<StageJob, RememberedOfJob> {
  const flat = new Map(jobs.filter((job) => job.flat).map((job) => [job.top, job]))
  const deep = new Map(jobs.filter((job) => !job.flat).map((job) => [job.top, job]))
  const remembered = new Map(
    jobs.map((job): [StageJob, RememberedOfJob] => [job, { states: [], memories: [] }]),
  )
  const jobOf = (directory: ByteString) => flat.get(directory) ?? nearest(deep, directory)
  for (const encoded of state.encoded()) remembered.get(jobOf(encoded[0]) ?? NO_JOB)?.states.push(encoded)
  for (const [path, held] of memories) {
    const bytes = held instanceof Uint8Array ? held : encodeDatabaseMemory(held)
    remembered.get(jobOf(parentPath(path)) ?? NO_JOB)?.memories.push([path, bytes])
  }
  return remembered
}

const NO_JOB: StageJob = { top: '', flat: true }

/** The job whose subtree holds a directory. */
function nearest(deep: ReadonlyMap<ByteString, StageJob>, directory: ByteString): StageJob | undefined {
  for (let up = directory; ; up = parentPath(up)) {
    const job = deep.get(up)
    if (job !== undefined || up === '') return job
  }
}

/** Reads the segments of large files on all threads; a file that ends early is left to its builder. */
async function readLargeFiles(
  threads: readonly StageThread[],
  files: readonly LargeFile[],
): Promise<PreparedFile[]> {
  const tasks = files.flatMap((file) =>
    segmentsOf([{ start: 0, end: file.bytes }]).map((span) => ({ file, span })),
  )
  const read = await shareOut(
    threads,
    tasks,
    async (thread, { file, span }: { file: LargeFile; span: ByteSpan }) => {
      const reply = (await thread.request({ kind: 'segment', path: file.path, span })) as SegmentReply
      return { path: file.path, parts: reply.parts }
    },
  )
  const parts = new Map<ByteString, Content>()
  for (const segment of read) {
    if (segment.parts) parts.set(segment.path, [...(parts.get(segment.path) ?? []), ...segment.parts])
  }
  return files.flatMap((file) => {
    const content = parts.get(file.path)
    if (content === undefined) return []
    if (contentBytes(content) !== file.bytes) return []
    return [{ ...file, content }]
  })
}

/**
 * What all resolved with; rejects with the first failure once all have settled: a thread that is still at work for a
 * commit that failed would fill packs for the next one.
 */
async function allSettled<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  return (await Promise.allSettled(promises)).map((result) => {
    if (result.status === 'fulfilled') return result.value
    throw result.reason instanceof Error ? result.reason : new Failure('internal', String(result.reason))
  })
}
