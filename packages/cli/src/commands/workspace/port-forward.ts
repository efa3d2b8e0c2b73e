import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { Failure } from '@holdfast/base/failure'
import type { Workspace } from '@holdfast/client/workspace'
import type { CommandSpec } from '../../command.ts'
import { EXIT } from '../../exit-codes.ts'
import { interrupted } from '../../interruption.ts'
import type { Context } from '../../open-context.ts'
import { asFailure } from '../../output/failure.ts'
import { NAME } from './parameters-of-workspaces.ts'
import { parsePort } from './serve.ts'

export const portForwardCommand: CommandSpec = {
  path: ['port-forward'],
  summary: 'Bring a port of a workspace to this machine, until Ctrl-C',
  arguments: [NAME, { name: 'PORT', presence: 'required', about: 'the port inside, or HERE:INSIDE' }],
  options: [],
  examples: [
    { line: 'port-forward box 5432', shows: 'the database of box at 127.0.0.1:5432' },
    { line: 'port-forward box 8081:80', shows: 'port 80 of box at 127.0.0.1:8081' },
  ],
  async run(context, given) {
    const [here = '', inside = here] = given.argument('PORT').split(':')
    const port = parsePort(inside)
    const workspace = await context.workspace(given.argument('NAME'))
    const server = createServer((socket) => forward(context, workspace, { socket, port }))
    await listen(server, here === '0' ? 0 : parsePort(here))
    const address = server.address()
    const listening = typeof address === 'object' && address !== null ? address.port : port
    context.output.showEnd(
      `127.0.0.1:${listening} is port ${port} of ${given.argument('NAME')}; Ctrl-C ends it`,
    )
    await interrupted(context.signals)
    server.close()
    return EXIT.ok
  },
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (error) {
    throw new Failure(
      'invalid-argument',
      `port ${port} of this machine is taken: HERE:INSIDE names another`,
      {},
      error,
    )
  }
}

/** One connection. What goes wrong with it ends it, and no other. */
function forward(
  context: Context,
  workspace: Workspace,
  { socket, port }: { readonly socket: Socket; readonly port: number },
): void {
  const remote = workspace.connectPort(port)
  const out = async () => {
    for await (const bytes of remote) if (!socket.write(bytes)) await once(socket, 'drain')
    socket.end()
  }
  const into = async () => {
    for await (const bytes of socket) await remote.write(bytes)
  }
  const lose = (error: unknown) => {
    if (!socket.destroyed) context.output.note(`hold: ${asFailure(error).message}`)
    socket.destroy()
  }
  socket.on('error', () => {}) // its close tells
  socket.on('close', () => remote.close())
  out().catch(lose)
  into().catch(lose)
}
