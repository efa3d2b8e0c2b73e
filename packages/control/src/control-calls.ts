import type { CONTROL_CALLS } from '@holdfast/protocol/control-calls'
import type { RpcHandlers } from '@holdfast/rpc/rpc-server'
import type { Deps } from './operations/context.ts'
import { registerHost } from './operations/register-host.ts'
import { reportEvents, reportExecs } from './operations/report-events.ts'
import { reportHost } from './operations/report-host.ts'
import { resolveExposure } from './operations/resolve-exposure.ts'

/** What control answers to hosts and gateways. */
export function controlHandlers(deps: Deps): RpcHandlers<typeof CONTROL_CALLS> {
  return {
    registerHost: (request) => registerHost(deps, request),
    reportHost: (request) => reportHost(deps, request),
    reportEvents: async (request) => {
      await reportEvents(deps, request)
      return {}
    },
    reportExecs: async (request) => {
      await reportExecs(deps, request)
      return {}
    },
    resolveExposure: (request) => resolveExposure(deps, request),
  }
}
