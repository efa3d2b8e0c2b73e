import { ENDPOINTS } from '@holdfast/protocol/endpoints'
import type { Route } from '../route.ts'
import { eventRoutes } from './event-routes.ts'
import { EXEC_ROUTES } from './exec-routes.ts'
import { FILE_ROUTES } from './file-routes.ts'
import { GENERATION_ROUTES } from './generation-routes.ts'
import { HISTORY_ROUTES } from './history-routes.ts'
import { openRoutes, type Sources } from './open-routes.ts'
import { PLATFORM_ROUTES } from './platform-routes.ts'
import { SERVING_ROUTES } from './serving-routes.ts'
import { WORKSPACE_ROUTES } from './workspace-routes.ts'

/** Every route of the public API. */
export function allRoutes(sources: Sources): readonly Route[] {
  const routes = [
    ...GENERATION_ROUTES,
    ...HISTORY_ROUTES,
    ...WORKSPACE_ROUTES,
    ...EXEC_ROUTES,
    ...FILE_ROUTES,
    ...SERVING_ROUTES,
    ...eventRoutes(),
    ...PLATFORM_ROUTES,
  ]
  const all = [...routes, ...openRoutes(sources, routes)]
  checkScopes(all)
  return all
}

/** Throws unless each route is in the table of endpoints, with its scope: none is open by oversight. */
export function checkScopes(routes: readonly Pick<Route, 'method' | 'path' | 'scope'>[]): void {
  for (const { method, path, scope } of routes) {
    const endpoint = ENDPOINTS.find((candidate) => candidate.method === method && candidate.path === path)
    if (endpoint === undefined) throw new Error(`${method} ${path} is not in the table of endpoints`)
    if (endpoint.scope !== scope)
      throw new Error(`${method} ${path} has the scope ${scope}, in the table it is ${endpoint.scope}`)
  }
}
