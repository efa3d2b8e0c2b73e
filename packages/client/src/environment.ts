import type { CallOptions } from './api.ts'
import { Holdfast, type ListOptions } from './holdfast.ts'
import { HoldfastError } from './holdfast-error.ts'
import type { Workspace as ConnectedWorkspace, CreateOptions } from './workspace.ts'

type Variables = Readonly<Record<string, string | undefined>>

/** The server that HOLDFAST_URL and HOLDFAST_API_KEY name. Throws `unauthenticated` where they are not set. */
export function holdfastOfEnvironment(variables: Variables = variablesOfPlatform()): Holdfast {
  const { HOLDFAST_URL: url, HOLDFAST_API_KEY: apiKey } = variables
  if (url && apiKey) return new Holdfast({ url, apiKey })
  throw new HoldfastError({
    code: url ? 'unauthenticated' : 'server-unreachable',
    message: `${url ? 'HOLDFAST_API_KEY' : 'HOLDFAST_URL'} is not set`,
  })
}

/** Workspaces of the server that the environment names. */
export const Workspace = {
  async create(options: CreateOptions & CallOptions = {}): Promise<ConnectedWorkspace> {
    return await holdfastOfEnvironment().create(options)
  },
  async connect(idOrName: string, options: CallOptions = {}): Promise<ConnectedWorkspace> {
    return await holdfastOfEnvironment().connect(idOrName, options)
  },
  list(options: ListOptions = {}): AsyncGenerator<ConnectedWorkspace, void> {
    return holdfastOfEnvironment().list(options)
  },
}

/** None in a browser. */
function variablesOfPlatform(): Variables {
  return globalThis.process?.env ?? {}
}
