import { parentPort } from 'node:worker_threads'
import { present } from '@holdfast/base/assert'
import { Failure, failureToWire } from '@holdfast/base/failure'
import { ownedBuffers } from '@holdfast/base/owned-buffers'
import { systemRandomness } from '@holdfast/base/randomness'
import { END_THREAD } from '@holdfast/base/start-thread'
import type { ByteString } from '../format/byte-string.ts'
import { ChunkIndex } from '../format/chunk-index.ts'
import { ChunkTable } from '../format/chunk-table.ts'
import type { BuiltPack } from '../format/pack-builder.ts'
import { Holdfs } from '../holdfs/holdfs.ts'
import { isGone } from '../scan/survey.ts'
import { StageEngine } from './stage-engine.ts'
import {
  PACKS_IN_FLIGHT_MAX,
  type SegmentReply,
  type StageMessage,
  type StageRequest,
  type StageSession,
} from './stage-messages.ts'
import { SubtreeJob } from './subtree-job.ts'

/*
 * A thread that stages: open (a commit begins), then any number of survey, segment and build, then close (its last
 * pack is filled). One request at a time, each answered by one reply; packs go out as they fill.
 */
const port = present(parentPort, 'the parent port')

interface OpenSession {
  readonly session: StageSession
  readonly engine: StageEngine
  readonly jobs: Map<ByteString, SubtreeJob>
}

let open: OpenSession | undefined
let helper: Promise<Holdfs> | undefined

function send(message: StageMessage): void {
  port.postMessage(message)
}

/**
 * Hands a pack over and waits while too many of this thread's packs are not stored yet: memory stays bounded. Throws once
 * one of them could not be stored.
 */
function sendPack(pack: BuiltPack, inFlight: Int32Array): void {
  Atomics.add(inFlight, 0, 1)
  port.postMessage({ kind: 'pack', pack } satisfies StageMessage, ownedBuffers(pack.parts))
  for (
    let count = Atomics.load(inFlight, 0);
    count >= PACKS_IN_FLIGHT_MAX;
    count = Atomics.load(inFlight, 0)
  ) {
    Atomics.wait(inFlight, 0, count)
  }
  if (Atomics.load(inFlight, 1) !== 0) throw new Failure('store-unavailable', 'a pack could not be stored')
}

/** Undefined for a file that has ended or gone: its builder finds out. */
function stageSegment(
  { files, mayVanish }: StageEngine,
  { path, span }: Extract<StageRequest, { kind: 'segment' }>,
): SegmentReply['parts'] {
  try {
    return files.stageSegment(path, span)
  } catch (error) {
    if (mayVanish && isGone(error, path)) return undefined
    throw error
  }
}

async function answer(request: StageRequest): Promise<void> {
  switch (request.kind) {
    case 'open': {
      const { session, inFlight } = request
      open?.engine[Symbol.dispose]()
      const onPack = (pack: BuiltPack) => sendPack(pack, inFlight)
      const known = new ChunkIndex(
        session.tables.map((bytes) => new ChunkTable(bytes)),
        { dead: new Set(session.deadPacks) },
      )
      const engine = new StageEngine({ randomness: systemRandomness, onPack, known }, session)
      open = { session, engine, jobs: new Map() }
      return send({ kind: 'reply', reply: null })
    }
    case 'survey': {
      const { session, engine, jobs } = present(open, 'an open session')
      const job = new SubtreeJob(engine, request)
      jobs.set(request.top, job)
      return send({ kind: 'reply', reply: job.survey(session.racyFromMs) })
    }
    case 'segment': {
      const { engine } = present(open, 'an open session')
      return send({ kind: 'reply', reply: { parts: stageSegment(engine, request) } })
    }
    case 'build': {
      helper ??= Holdfs.start()
      const job = present(present(open, 'an open session').jobs.get(request.top), 'a surveyed subtree')
      return send({ kind: 'reply', reply: await job.build(await helper, request) })
    }
    case 'close': {
      const { engine } = present(open, 'an open session')
      engine.builder.finish()
      engine[Symbol.dispose]()
      open = undefined
      return send({ kind: 'reply', reply: { usedPacks: [...engine.sink.usedPacks] } })
    }
  }
}

port.on('message', (request: StageRequest | typeof END_THREAD) => {
  if (request === END_THREAD) process.exit()
  answer(request).catch((error: unknown) => send({ kind: 'failed', ...failureToWire(error) }))
})
