import { constants } from 'node:os'
import { Failure, failureToWire } from '@holdfast/base/failure'
import { AttachControl, ExecAttachQuery, HOST_STREAMS } from '@holdfast/protocol/host-streams'
import type { UpgradeHandler } from '@holdfast/rpc/rpc-server'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import type { ExecRegistry } from '../exec/exec-registry.ts'
import type { ResidentExec } from '../exec/resident-exec.ts'
import { outputEvents } from './exec-streams.ts'
import { parseQuery } from './parse-query.ts'

const FRAME_BYTES_MAX = 1 << 20
/** Output that a slow client has not taken; the command is blocked by its ring's reader, never by this. */
const UNSENT_BYTES_MAX = 1 << 20
const CLOSED_BY_END = 1000
const CLOSED_BY_FAILURE = 1011

/** Puts a client at a command: binary frames are input and output, text frames `AttachControl`, `gap` and `end`. */
export function attachUpgrade(
  registryOf: (workspace: string) => ExecRegistry,
): Readonly<Record<string, UpgradeHandler>> {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: FRAME_BYTES_MAX,
    perMessageDeflate: false,
  })
  return {
    [HOST_STREAMS.execAttach]: async (request, socket, head, url) => {
      const { workspace, exec: id, after } = parseQuery(ExecAttachQuery, url)
      const exec = registryOf(workspace).get(id)
      server.handleUpgrade(request, socket, head, (client) => {
        client.on('error', () => client.terminate())
        takeInput(client, exec)
        void sendOutput(client, exec, after)
      })
    },
  }
}

async function sendOutput(client: WebSocket, exec: ResidentExec, after: number): Promise<void> {
  const gone = new Promise<void>((resolve) => client.on('close', () => resolve()))
  for await (const event of outputEvents(exec, { after, isFollowed: true, gone })) {
    const frame = event.kind === 'chunk' ? Buffer.from(event.chunk.bytes, 'base64') : JSON.stringify(event)
    const sent = new Promise<void>((resolve) => client.send(frame, () => resolve()))
    if (client.bufferedAmount > UNSENT_BYTES_MAX) await sent
  }
  client.close(CLOSED_BY_END)
}

/** Frames are taken one after another: a command that does not read blocks its client. */
function takeInput(client: WebSocket, exec: ResidentExec): void {
  let last = Promise.resolve()
  client.on('message', (frame, isBinary) => {
    client.pause()
    last = last
      .then(() => (isBinary ? exec.write(bytesOf(frame)) : control(exec, bytesOf(frame).toString('utf8'))))
      .catch((error: unknown) => {
        if (exec.isRunning) client.close(CLOSED_BY_FAILURE, failureToWire(error).code)
      })
      .finally(() => client.resume())
  })
}

function bytesOf(frame: RawData): Buffer {
  if (Array.isArray(frame)) return Buffer.concat(frame)
  return Buffer.isBuffer(frame) ? frame : Buffer.from(frame)
}

async function control(exec: ResidentExec, text: string): Promise<void> {
  const order = AttachControl.parse(JSON.parse(text))
  switch (order.kind) {
    case 'resize':
      return await exec.resize(order.columns, order.rows)
    case 'signal':
      return await exec.signal(parseSignal(order.signal))
    case 'end-of-input':
      return await exec.endInput()
  }
}

/** Rejects with `invalid-argument`. */
export function parseSignal(name: string): NodeJS.Signals {
  if (isSignal(name)) return name
  throw new Failure('invalid-argument', `no signal ${name}`, { signal: name })
}

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name)
}
