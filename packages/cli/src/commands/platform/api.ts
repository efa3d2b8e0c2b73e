import { readFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import type { CommandSpec } from '../../command.ts'
import type { Context } from '../../open-context.ts'
import { parseChoice } from '../../parameters.ts'

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

export const apiCommand: CommandSpec = {
  path: ['api'],
  summary: 'Make any request to the API, and print the answer as it is',
  arguments: [
    { name: 'METHOD', presence: 'required', about: METHODS.join(', ') },
    { name: 'PATH', presence: 'required', about: 'with its query, as /v1/workspaces?limit=1' },
  ],
  options: [
    { flags: '-d, --data <JSON>', about: 'the body; @FILE reads a file, @- the standard input' },
    { flags: '--type <TYPE>', about: 'of the body', otherwise: 'application/json' },
  ],
  examples: [
    { line: 'api GET /v1/workspaces', shows: 'as the server says it' },
    { line: `api POST /v1/workspaces/box/checkpoints -d '{"message":"now"}'`, shows: 'with a body' },
  ],
  async run(context, given) {
    const method = parseChoice('METHOD', given.argument('METHOD').toUpperCase(), METHODS) ?? 'GET'
    const path = given.argument('PATH').replace(/^(?!\/)/, '/')
    const body = given.option('data')
    const contentType = given.option('type') ?? 'application/json'
    const bytes = body === undefined ? undefined : await bytesOf(context, body)
    const server = await context.server()
    const response = await server.request({
      method,
      path,
      ...(bytes === undefined ? {} : { bytes, contentType }),
    })
    for await (const part of response.body ?? []) await context.output.write(part)
    if (context.output.width !== undefined) await context.output.write('\n')
    return undefined
  },
}

async function bytesOf(context: Context, text: string): Promise<Uint8Array> {
  if (text === '@-') return new Uint8Array(await buffer(context.terminal.input))
  return text.startsWith('@') ? new Uint8Array(readFileSync(text.slice(1))) : new TextEncoder().encode(text)
}
