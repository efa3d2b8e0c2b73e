import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Failure } from '@holdfast/base/failure'
import { HOST_STREAMS, PORT_PROTOCOL, PortQuery } from '@holdfast/protocol/host-streams'
import type { UpgradeHandler } from '@holdfast/rpc/rpc-server'
import type { ResidentWorkspace } from '../workspace/resident-workspace.ts'
import { parseQuery } from './parse-query.ts'

const SWITCHED = `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${PORT_PROTOCOL}\r\n\r\n`

/** Joins a connection to a port inside. A workspace that runs under another epoch is refused with `lease-lost`. */
export function portUpgrade(
  residentOf: (workspace: string) => ResidentWorkspace,
): Readonly<Record<string, UpgradeHandler>> {
  return {
    [HOST_STREAMS.port]: async (_request, socket, head, url) => {
      const { workspace, port, epoch } = parseQuery(PortQuery, url)
      const resident = residentOf(workspace)
      if (epoch !== undefined && epoch !== resident.epoch)
        throw new Failure('lease-lost', `${workspace} runs here under epoch ${resident.epoch}`, {
          workspace,
          epoch: resident.epoch,
        })
      const inside = await resident.expectSandbox().connect(port)
      socket.write(SWITCHED)
      if (head.length > 0) socket.unshift(head)
      using _serving = resident.serving()
      await join(socket, inside)
    },
  }
}

/** Each direction ends by itself; a failure of one ends both. */
async function join(socket: Duplex, inside: Duplex): Promise<void> {
  const directions = [pipeline(socket, inside), pipeline(inside, socket)]
  const broken = () => {
    socket.destroy()
    inside.destroy()
  }
  await Promise.all(directions.map((direction) => direction.catch(broken)))
}
