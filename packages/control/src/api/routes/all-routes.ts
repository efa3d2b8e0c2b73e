import { ENDPOINTS } from '@holdfast/protocol/endpoints'
import type { Route } from '../route.ts'
import { EXEC_ROUTES } from './exec-routes.ts'
import { WORKSPACE_ROUTES } from './workspace-routes.ts'

/** Every route. Throws unless each is in the table of endpoints with that scope, so that none is open by oversight. */
export function allRoutes(_sources: {
  readonly counters: unknown
  readonly stepsTaken: () => number
}): readonly Route[] {
  const routes = [...WORKSPACE_ROUTES, ...EXEC_ROUTES]
  for (const { method, path, scope } of routes) {
    const endpoint = ENDPOINTS.find((candidate) => candidate.method === method && candidate.path === path)
    if (endpoint === undefined) throw new Error(`${method} ${path} is not in the table of endpoints`)
    if (endpoint.scope !== scope)
      throw new Error(`${method} ${path} has the scope ${scope}, the table ${endpoint.scope}`)
  }
  return routes
}
