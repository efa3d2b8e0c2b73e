import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import { Holdfast } from '@holdfast/client/holdfast'
import { HoldfastError } from '@holdfast/client/holdfast-error'
import type { Workspace } from '@holdfast/client/workspace'
import type { Config } from './config.ts'

/** Where `hold up` says how to reach it: `{ "url": …, "apiKey": … }`, readable for its user only. */
const SERVER_FILE = 'server.json'
const ID_LETTERS = 26

interface ServerAddress {
  readonly url: string
  readonly apiKey: string
}

/** Rejects with `server-unreachable` where no server is named and none runs here. */
export function openServer(config: Config): Holdfast {
  const { url, apiKey } = findServer(config)
  // Three attempts: a person who mistyped an address should not wait for five.
  return new Holdfast({ url, apiKey, agent: 'hold', retry: { attemptsMax: 3 } })
}

function findServer(config: Config): ServerAddress {
  const url = config.url.value
  const apiKey = config.apiKey.reveal()
  if (url !== null && apiKey !== undefined) return { url, apiKey }
  const path = join(config.home.value, SERVER_FILE)
  const found = readServerFile(path)
  if (found === undefined) {
    if (url !== null) throw new Failure('unauthenticated', `no key for ${url}: HOLDFAST_API_KEY is not set`)
    throw new Failure('server-unreachable', `no server is named, and there is no ${path}`, { path })
  }
  if (url !== null && url !== found.url)
    throw new Failure('unauthenticated', `no key for ${url}: ${path} holds that of ${found.url}`, { path })
  return { url: found.url, apiKey: apiKey ?? found.apiKey }
}

function readServerFile(path: string): ServerAddress | undefined {
  try {
    const { url, apiKey } = JSON.parse(readFileSync(path, 'utf8')) as Partial<ServerAddress>
    if (typeof url === 'string' && typeof apiKey === 'string') return { url, apiKey }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    if (errnoOf(error) !== undefined)
      throw new Failure('no-permission', `cannot read ${path}: only who ran \`hold up\` can`, { path }, error)
  }
  throw new Failure('foreign-format', `${path} does not say where the server is`, { path })
}

/** The workspace of a name, an id, or the beginning of an id that no other has. Rejects with `not-found`. */
export async function findWorkspace(server: Holdfast, named: string): Promise<Workspace> {
  try {
    return await server.connect(named)
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'not-found') throw error
    return (await findByBeginning(server, named)) ?? refuseUnknown(named)
  }
}

function refuseUnknown(named: string): never {
  throw new Failure('not-found', `no workspace is called ${named}: \`hold ls\` lists them`, {
    workspace: named,
  })
}

async function findByBeginning(server: Holdfast, named: string): Promise<Workspace | undefined> {
  const beginning = named.startsWith('ws_') ? named : `ws_${named}`
  if (!new RegExp(`^ws_[0-9a-hjkmnp-tv-z]{1,${ID_LETTERS}}$`).test(beginning)) return undefined
  const found: Workspace[] = []
  for await (const workspace of server.list({ includeArchived: true }))
    if (workspace.id.startsWith(beginning)) found.push(workspace)
  if (found.length <= 1) return found[0]
  const ids = found.map(({ id }) => id).join(', ')
  throw new Failure('invalid-argument', `${named} is the beginning of several ids: ${ids}`, {
    workspace: named,
  })
}
