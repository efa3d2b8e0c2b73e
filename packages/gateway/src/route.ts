import { isIP } from 'node:net'
import { Failure } from '@holdfast/base/failure'
import { parseExposureHost } from '@holdfast/protocol/exposure-host'
import { WorkspaceId, WorkspaceName } from '@holdfast/protocol/identifiers'

/** Which port of which workspace a request is for, and what that app is asked for. */
export interface Route {
  readonly by: 'host' | 'headers' | 'path'
  /** An id or a name. */
  readonly workspace: string
  readonly port: number
  /** Path and query, as the app sees them. */
  readonly target: string
}

export interface RoutedRequest {
  /** The Host header. */
  readonly host: string
  /** As in the request line. */
  readonly target: string
  readonly workspace: string | undefined
  readonly port: string | undefined
}

const PORT = /^[1-9]\d{0,4}$/
const PATH = /^\/w\/([^/?]+)\/p\/([^/?]+)(\/[^?]*)?(\?.*)?$/

/**
 * The host name decides; only at the gateway's own name do headers count, and then the path. Rejects with `not-found` for
 * what names no port, and with `misdirected` for a host name that is none of this gateway's.
 */
export function routeOf(request: RoutedRequest, domain: string): Route {
  const { target } = request
  if (!target.startsWith('/')) throw new Failure('invalid-argument', 'the target of a request is a path')
  const host = hostName(request.host)
  const named = parseExposureHost(host, domain)
  if (named) return { by: 'host', ...named, target }
  if (host.endsWith(`.${domain}`)) throw unknownPort()
  if (!isOwnName(host, domain)) throw new Failure('misdirected', `${host} is not served here`)
  if (request.workspace !== undefined || request.port !== undefined)
    return { by: 'headers', ...parseNames(request.workspace, request.port), target }
  const [, workspace, port, path = '/', query = ''] = PATH.exec(target) ?? []
  return { by: 'path', ...parseNames(workspace, port), target: `${path}${query}` }
}

/** What an unknown port, one that is not exposed, and one that the caller may not see have in common. */
export function unknownPort(): Failure {
  return new Failure('not-found', 'nothing is served here')
}

/** Other names are refused: a page of another site whose name was pointed at this address would pass for ours. */
function isOwnName(host: string, domain: string): boolean {
  return host === domain || host === 'localhost' || isIP(host) !== 0
}

function hostName(header: string): string {
  const [, bracketed, plain = ''] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::\d{1,5})?$/.exec(header) ?? []
  return (bracketed ?? plain).toLowerCase()
}

function parseNames(workspace = '', port = ''): { readonly workspace: string; readonly port: number } {
  const isName = WorkspaceId.safeParse(workspace).success || WorkspaceName.safeParse(workspace).success
  if (!isName || !PORT.test(port) || Number(port) > 65_535) throw unknownPort()
  return { workspace, port: Number(port) }
}
