import type { Clock } from '@holdfast/base/clock'
import type { FileEvent } from '@holdfast/protocol/files'
import { HOST_STREAMS, PathQuery } from '@holdfast/protocol/host-streams'
import type { StreamHandler } from '@holdfast/rpc/rpc-server'
import { parseQuery } from '../agent/parse-query.ts'
import { guestPath, shownPath } from './guest-path.ts'
import { runTool, type ToolPlace } from './guest-tool.ts'
import { goneSignal, sendBytes } from './stream-bytes.ts'

/** The kernel's own watches lose events without a word; reading the names again is slower and misses nothing. */
const LOOK_EVERY_MS = 1000
/** A tree of more names is not compared: each look says `overflow`. */
const NAMES_MAX = 100_000

type Names = ReadonlyMap<string, string>

/** Lines of events below a directory, until the client goes. */
export function watchStream(
  placeOf: (workspace: string, gone: AbortSignal) => ToolPlace,
  clock: Clock,
): Readonly<Record<string, StreamHandler>> {
  return {
    [HOST_STREAMS.watch]: async (_request, response, url) => {
      const { workspace, path } = parseQuery(PathQuery, url)
      const root = guestPath(path)
      const gone = goneSignal(response)
      let before = await lookAt(placeOf(workspace, gone), root)
      response.writeHead(200, { 'content-type': 'application/x-ndjson' })
      response.flushHeaders()
      while (!gone.aborted) {
        await clock.sleep(LOOK_EVERY_MS, gone).catch(() => {}) // the client has gone
        if (gone.aborted) return
        const after = await lookAt(placeOf(workspace, gone), root).catch(() => undefined)
        if (after === undefined) return void response.end() // nothing runs any more
        const lines = eventsBetween(before, after, root).map((event) => `${JSON.stringify(event)}\n`)
        if (lines.length > 0) await sendBytes(response, lines.join(''))
        before = after
      }
    },
  }
}

/** What tells a change of each name: null for a tree that is too large. */
async function lookAt(place: ToolPlace, root: string): Promise<Names | null> {
  const argv = ['find', root, '-mindepth', '1', '-printf', '%p\\0%y %i %s %m %T@ %C@\\0']
  const result = await runTool(place, argv)
  const fields = result.output.toString('utf8').split('\0')
  if (result.isCut || fields.length / 2 > NAMES_MAX) return null
  const names = new Map<string, string>()
  for (let at = 0; at + 1 < fields.length; at += 2)
    names.set(shownPath(fields[at] ?? ''), fields[at + 1] ?? '')
  return names
}

/** Directories change with what is in them: only what is in them is told. */
export function eventsBetween(before: Names | null, after: Names | null, root: string): FileEvent[] {
  if (before === null || after === null) return [{ kind: 'overflow', path: shownPath(root) }]
  const events: FileEvent[] = []
  for (const path of before.keys()) if (!after.has(path)) events.push({ kind: 'removed', path })
  for (const [path, mark] of after) {
    const known = before.get(path)
    if (known === undefined) events.push({ kind: 'created', path })
    else if (known !== mark && !mark.startsWith('d')) events.push({ kind: 'changed', path })
  }
  return events
}
