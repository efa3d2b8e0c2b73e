import { chmodSync, createReadStream, createWriteStream, existsSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { Failure } from '@holdfast/base/failure'
import {
  ExecAttachQuery,
  ExecOutputQuery,
  HOST_STREAMS,
  PathQuery,
  PutFileQuery,
} from '@holdfast/protocol/host-streams'
import type { RpcRoutes } from '@holdfast/rpc/rpc-server'
import { WebSocketServer } from 'ws'
import { placeOf } from './host-double-files.ts'
import type { HostDoubleGround } from './host-double-ground.ts'

/** The streams of a double; archives and ports it has none. */
export function hostRoutes(double: HostDoubleGround): RpcRoutes {
  const sockets = new WebSocketServer({ noServer: true })
  return {
    streams: {
      [HOST_STREAMS.execOutput]: async (_request, response, url) => {
        const { workspace, exec, after, follow } = ExecOutputQuery.parse(Object.fromEntries(url.searchParams))
        response.writeHead(200, { 'content-type': 'application/x-ndjson' })
        for await (const event of double.find(workspace).execs.follow(exec, after, follow === 'true'))
          response.write(`${JSON.stringify(event)}\n`)
        response.end()
      },
      [HOST_STREAMS.file]: async (request, response, url) => {
        const query = Object.fromEntries(url.searchParams)
        const { workspace, path } = PathQuery.parse({ workspace: query.workspace, path: query.path })
        const place = placeOf(double, workspace, path)
        if (request.method === 'PUT') {
          const { mode } = PutFileQuery.parse(query)
          await pipeline(request, createWriteStream(place))
          chmodSync(place, Number.parseInt(mode, 8))
          response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
          return
        }
        if (!existsSync(place)) throw new Failure('not-found', `there is no ${path}`)
        response.writeHead(200, { 'content-type': 'application/octet-stream' })
        await pipeline(createReadStream(place), response)
      },
      [HOST_STREAMS.watch]: async (_request, response, url) => {
        PathQuery.parse(Object.fromEntries(url.searchParams))
        response.writeHead(200, { 'content-type': 'application/x-ndjson' })
        response.write(`${JSON.stringify({ kind: 'created', path: 'a' })}\n`)
      },
    },
    upgrades: {
      [HOST_STREAMS.execAttach]: async (request, socket, head, url) => {
        const { workspace, exec } = ExecAttachQuery.parse(Object.fromEntries(url.searchParams))
        const running = double.find(workspace).execs.get(exec)
        sockets.handleUpgrade(request, socket, head, (attached) => {
          running.child?.stdout?.on('data', (bytes: Buffer) => attached.send(bytes))
          attached.on('message', (bytes, isBinary) => {
            if (isBinary && Buffer.isBuffer(bytes)) running.child?.stdin?.write(bytes)
            else running.child?.stdin?.end()
          })
          void running.ended.then(() => attached.close())
        })
      },
    },
  }
}
