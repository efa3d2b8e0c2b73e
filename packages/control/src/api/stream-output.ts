import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { isFailure } from '@holdfast/base/failure'
import { OutputEvent } from '@holdfast/protocol/exec'
import { HOST_STREAMS } from '@holdfast/protocol/host-streams'
import type { OutputQuery } from '@holdfast/protocol/rest/exec'
import type { z } from 'zod'
import { type ExecRecord, hasEnded } from '../domain/exec.ts'
import { type ExecName, findExec } from '../operations/exec-commands.ts'
import { linkOfExec } from '../operations/start-exec.ts'
import type { Call, Wire } from './route.ts'
import { shownChunk, shownExec } from './shapes/exec-shape.ts'
import { EventStream } from './sse.ts'

/** A host that does not answer is asked again so often, until its command is known to be lost. */
const AGAIN_MS = 1_000

type OutputCall = Call<z.output<typeof OutputQuery>, undefined>

/** What the streams of one answer have in common. */
interface Following {
  readonly call: OutputCall
  readonly name: ExecName
  readonly events: () => EventStream
  /** The sequence of the last piece that was sent. */
  after: number
}

/**
 * The output of a command as it comes. Who follows stays connected while a host does not answer: it comes back, or its
 * lease runs out and the command is lost, with what it wrote behind the last piece.
 */
export async function streamOutput(call: OutputCall, wire: Wire, name: ExecName): Promise<void> {
  const { deps, query } = call
  const lastId = Number(wire.incoming.headers['last-event-id'] ?? 0)
  let opened: EventStream | undefined
  const following: Following = {
    call,
    name,
    events: () => {
      opened ??= new EventStream(wire.outgoing, deps.clock)
      return opened
    },
    after: Math.max(query.after, Number.isSafeInteger(lastId) ? lastId : 0),
  }
  try {
    while (!(await followOnce(following)))
      await deps.clock.sleep(AGAIN_MS, following.events().signal).catch(() => undefined)
  } finally {
    opened?.[Symbol.dispose]()
  }
}

/** True: there is nothing more to tell. */
async function followOnce(following: Following): Promise<boolean> {
  const { call, name, events } = following
  const exec = await findExec(call.deps, call.caller, name)
  try {
    const body = await outputOf(following, exec)
    const hasFinished = await relay(following, exec, body)
    return hasFinished || !call.query.follow || events().signal.aborted
  } catch (error) {
    if (!isFailure(error, 'host-unreachable')) throw error
    if (hasEnded(exec.state)) return tellLoss(following, exec)
    if (!call.query.follow) throw error
    return events().signal.aborted
  }
}

async function outputOf({ call, after }: Following, exec: ExecRecord): Promise<Readable> {
  const link = await linkOfExec(call.deps, exec)
  const { body } = await link.stream({
    method: 'GET',
    path: HOST_STREAMS.execOutput,
    query: { workspace: exec.workspace, exec: exec.state.id, after, follow: call.query.follow },
    signal: call.signal,
  })
  return body
}

/** True once the end was told; false when the host broke off before. */
async function relay(following: Following, exec: ExecRecord, body: Readable): Promise<boolean> {
  const events = following.events()
  events.signal.addEventListener('abort', () => body.destroy())
  body.on('error', () => undefined)
  for await (const line of wholeLines(body)) {
    const event = OutputEvent.parse(JSON.parse(line))
    if (event.kind === 'end') {
      events.send({ type: 'end', document: shownExec({ ...exec, state: event.exec }) })
      return true
    }
    if (event.kind === 'chunk') {
      events.send({ type: 'chunk', id: event.chunk.sequence, document: shownChunk(event.chunk) })
      following.after = event.chunk.sequence
    } else {
      const { fromSequence, toSequence } = event
      events.send({ type: 'gap', document: { from_sequence: fromSequence, to_sequence: toSequence } })
    }
    await events.drained()
  }
  return false
}

/** Its log is on a host that is gone. */
function tellLoss({ events, after }: Following, exec: ExecRecord): true {
  const { lastSequence } = exec.state
  const gap = { from_sequence: after + 1, to_sequence: Math.max(after + 1, lastSequence) }
  // How much a lost one wrote is not known.
  if (exec.state.status === 'lost' || lastSequence > after) events().send({ type: 'gap', document: gap })
  events().send({ type: 'end', document: shownExec(exec) })
  return true
}

/** Ends where the host broke off, which is in the middle of a line. */
async function* wholeLines(body: Readable): AsyncGenerator<string, void> {
  try {
    for await (const line of createInterface({ input: body })) {
      if (body.errored) return
      yield line
    }
  } catch (error) {
    if (body.errored === null) throw error
  }
}
