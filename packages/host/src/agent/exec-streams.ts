import type { ServerResponse } from 'node:http'
import type { OutputChunk, OutputEvent } from '@holdfast/protocol/exec'
import { ExecOutputQuery, HOST_STREAMS } from '@holdfast/protocol/host-streams'
import type { StreamHandler } from '@holdfast/rpc/rpc-server'
import type { ExecRegistry } from '../exec/exec-registry.ts'
import type { OutputPiece } from '../exec/output-frames.ts'
import type { ResidentExec } from '../exec/resident-exec.ts'
import { sendBytes } from '../files/stream-bytes.ts'
import { parseQuery } from './parse-query.ts'

/** The output of a command as lines, from a sequence number on; followed to its end if asked for. */
export function execStreams(
  registryOf: (workspace: string) => ExecRegistry,
): Readonly<Record<string, StreamHandler>> {
  return {
    [HOST_STREAMS.execOutput]: async (_request, response, url) => {
      const { workspace, exec: id, after, follow } = parseQuery(ExecOutputQuery, url)
      const exec = registryOf(workspace).get(id)
      response.writeHead(200, { 'content-type': 'application/x-ndjson' })
      response.flushHeaders()
      await sendEvents(response, exec, { after, isFollowed: follow === 'true' })
    },
  }
}

async function sendEvents(
  response: ServerResponse,
  exec: ResidentExec,
  { after, isFollowed }: { readonly after: number; readonly isFollowed: boolean },
): Promise<void> {
  const gone = Promise.withResolvers<void>()
  response.on('close', gone.resolve)
  for await (const event of outputEvents(exec, { after, isFollowed, gone: gone.promise }))
    if (!(await sendBytes(response, `${JSON.stringify(event)}\n`))) return
  response.end()
}

export interface Following {
  readonly after: number
  readonly isFollowed: boolean
  /** Resolves when nobody wants more. */
  readonly gone: Promise<void>
}

/** What comes after a sequence number: what is there, and if followed, what comes until the end. */
export async function* outputEvents(exec: ResidentExec, following: Following): AsyncGenerator<OutputEvent> {
  const { ring } = exec
  let isGone = false
  void following.gone.then(() => {
    isGone = true
  })
  for (let sequence = following.after; !isGone; ) {
    const { news } = ring
    const hasEnded = !exec.isRunning
    for await (const event of ring.read(sequence)) {
      if (event.kind === 'gap') yield event
      else yield { kind: 'chunk', chunk: chunkOf(event.piece) }
      sequence = event.kind === 'gap' ? event.toSequence : event.piece.sequence
    }
    if (hasEnded) return yield { kind: 'end', exec: exec.state }
    if (!following.isFollowed) return
    await Promise.race([news, following.gone])
  }
}

export function chunkOf({ sequence, stream, at, bytes }: OutputPiece): OutputChunk {
  return { sequence, stream, at, bytes: Buffer.from(bytes).toString('base64') }
}
