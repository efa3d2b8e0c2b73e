import { allSettled } from '@holdfast/base/all-settled'
import { type ByteString, parentPath } from '../format/byte-string.ts'
import { contentBytes, type Part } from '../format/content.ts'
import type { BuiltPack } from '../format/pack-builder.ts'
import type { DatabaseHolds, HoldDatabases } from '../live-sqlite/database-hold.ts'
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
import type { StageMeter } from './stage-meter.ts'
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
  readonly hold: HoldDatabases
  readonly meter: StageMeter
}

interface JobInput {
  readonly session: StageSession
  readonly state: TreeState
  readonly memories: DatabaseMemories
}

/**
 * Runs jobs on the staging threads, and rejects only when all are at rest: one still at work for a commit that failed
 * would fill packs for the next one. A job is surveyed and built by the thread that is free for it; one with large files
 * is built when all threads together have read these.
 */
export function runJobs(deps: JobDeps, input: JobInput, jobs: readonly StageJob[]): Promise<JobsDone> {
  return deps.pool.lend((threads) => runJobsOn({ ...deps, threads }, input, jobs))
}

async function runJobsOn(
  deps: JobDeps & { readonly threads: readonly StageThread[] },
  input: JobInput,
  jobs: readonly StageJob[],
): Promise<JobsDone> {
  const { meter, threads } = deps
  await allSettled(threads.map((thread) => thread.open(input.session, deps.onPack)))
  const remembered = rememberedByJob(input, jobs)
  const staged = await shareOut(threads, jobs, async (thread, job) => {
    const known = remembered.get(job) ?? { states: [], memories: [] }
    const survey = (await thread.request({ kind: 'survey', ...job, ...known })) as SurveyReply
    meter.surveyed(survey.toRead)
    const surveyed = { job, thread, ...survey, holds: await deps.hold(survey.databases) }
    if (survey.large.length > 0) return { ...surveyed, build: undefined }
    const build = await buildJob(surveyed, [])
    meter.read(survey.toRead)
    return { ...surveyed, build }
  })
  const waiting = staged.filter(({ build }) => build === undefined)
  const prepared = await readLargeFiles(
    { threads, meter },
    waiting.flatMap(({ large }) => large),
  )
  const late = await allSettled(
    waiting.map(async (surveyed) => {
      const { large, toRead } = surveyed
      const own = large.flatMap(({ path }) => prepared.get(path) ?? [])
      const build = await buildJob(surveyed, own)
      meter.read({ files: toRead.files, bytes: toRead.bytes - bytesOf(large) })
      return build
    }),
  )
  const builds = [...staged.flatMap(({ build }) => build ?? []), ...late]
  const closed = await allSettled(
    threads.map(async (thread) => (await thread.request({ kind: 'close' })) as CloseReply),
  )
  return { builds, usedPacks: new Set(closed.flatMap(({ usedPacks }) => usedPacks)) }
}

async function buildJob(
  { thread, job, holds }: { thread: StageThread; job: StageJob; holds: DatabaseHolds },
  prepared: readonly PreparedFile[],
): Promise<BuildReply> {
  return (await thread.request({ kind: 'build', top: job.top, prepared, holds })) as BuildReply
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
  const jobAbove = nearest(deep)
  const jobOf = (directory: ByteString) => flat.get(directory) ?? jobAbove(directory)
  for (const encoded of state.encoded()) remembered.get(jobOf(encoded[0]) ?? NO_JOB)?.states.push(encoded)
  for (const [path, held] of memories) {
    const bytes = held instanceof Uint8Array ? held : encodeDatabaseMemory(held)
    remembered.get(jobOf(parentPath(path)) ?? NO_JOB)?.memories.push([path, bytes])
  }
  return remembered
}

const NO_JOB: StageJob = { top: '', flat: true }

/** Tells the job whose subtree holds a directory. */
function nearest(deep: ReadonlyMap<ByteString, StageJob>): (directory: ByteString) => StageJob | undefined {
  const known = new Map<ByteString, StageJob | undefined>([['', undefined], ...deep])
  return (directory) => {
    const climbed: ByteString[] = []
    let at = directory
    while (!known.has(at)) {
      climbed.push(at)
      at = parentPath(at)
    }
    const job = known.get(at)
    for (const below of climbed) known.set(below, job)
    return job
  }
}

function bytesOf(files: readonly LargeFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** Reads the segments of large files on all threads; a file that ends early is left to its builder. */
async function readLargeFiles(
  { threads, meter }: { readonly threads: readonly StageThread[]; readonly meter: StageMeter },
  files: readonly LargeFile[],
): Promise<Map<ByteString, PreparedFile>> {
  const tasks = files.flatMap((file) =>
    segmentsOf([{ start: 0, end: file.bytes }]).map((span) => ({ file, span })),
  )
  const parts = new Map(files.map((file): [LargeFile, Part[]] => [file, []]))
  const read = await shareOut(
    threads,
    tasks,
    async (thread, { file, span }: { file: LargeFile; span: ByteSpan }) => {
      const reply = (await thread.request({ kind: 'segment', path: file.path, span })) as SegmentReply
      meter.read({ files: 0, bytes: span.end - span.start })
      return { file, parts: reply.parts ?? [] }
    },
  )
  for (const segment of read) parts.get(segment.file)?.push(...segment.parts)
  const prepared = new Map<ByteString, PreparedFile>()
  for (const [file, content] of parts) {
    if (contentBytes(content) === file.bytes) prepared.set(file.path, { ...file, content })
  }
  return prepared
}
