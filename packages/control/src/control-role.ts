import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import type { Clock } from '@holdfast/base/clock'
import type { Randomness } from '@holdfast/base/randomness'
import { CONTROL_CALLS } from '@holdfast/protocol/control-calls'
import type { RpcServer } from '@holdfast/rpc/rpc-server'
import { adminPage } from './api/admin-page.ts'
import { ADMISSION_DEFAULT, type AdmissionLimits } from './api/admission.ts'
import { ApiServer } from './api/api-server.ts'
import { App } from './api/app.ts'
import { RequestCounters } from './api/request-counters.ts'
import { allRoutes } from './api/routes/all-routes.ts'
import { controlHandlers } from './control-calls.ts'
import type { Deps, Settings } from './operations/context.ts'
import { firstStart } from './operations/first-start.ts'
import { StatusSignals } from './operations/status-signals.ts'
import type { Histories } from './ports/histories.ts'
import type { HostLinks } from './ports/host-links.ts'
import type { Store } from './ports/store.ts'
import { Reconciler } from './reconciler/reconciler.ts'

export interface ControlRoleOptions {
  readonly store: Store
  readonly histories: Histories
  readonly links: HostLinks
  readonly clock: Clock
  readonly randomness: Randomness
  readonly settings: Settings
  /** Where hosts and gateways ask: the role's own server, to which its calls are added. */
  readonly rpc: RpcServer
  /** Where the REST API listens. */
  readonly apiAddress: string
  /** Takes the admin key of the first start, with mode 0600. */
  readonly adminKeyPath: string
  readonly sweepMs?: number
  readonly limits?: AdmissionLimits
  /** Told of failures that are defects. */
  readonly onDefect: (error: unknown, where: string) => void
}

/** The control plane. What it stands on stays its composer's to close. */
export interface ControlRole extends AsyncDisposable {
  readonly apiAddress: string
}

const SWEEP_MS_DEFAULT = 500

export async function startControlRole(options: ControlRoleOptions): Promise<ControlRole> {
  const { store, histories, links, clock, randomness, settings, onDefect } = options
  const signals = new StatusSignals(clock, store)
  const deps: Deps = { store, histories, links, clock, signals, settings }
  await firstStart(deps, randomness, (token) => writeKey(options.adminKeyPath, token))
  const reconciler = new Reconciler(deps, {
    sweepMs: options.sweepMs ?? SWEEP_MS_DEFAULT,
    onDefect: (error, workspace) => onDefect(error, `reconciling ${workspace ?? 'all'}`),
  })
  const counters = new RequestCounters()
  const routes = allRoutes({ counters, stepsTaken: () => reconciler.stepsTaken })
  const limits = options.limits ?? ADMISSION_DEFAULT
  const app = new App({ deps, routes, files: adminPage(), randomness, limits, counters, onDefect })
  options.rpc.serve(CONTROL_CALLS, controlHandlers(deps))
  const api = await ApiServer.listen(app, routes, options.apiAddress)
  return {
    apiAddress: api.address,
    [Symbol.asyncDispose]: async () => {
      await api[Symbol.asyncDispose]()
      await reconciler[Symbol.asyncDispose]()
      signals[Symbol.dispose]()
    },
  }
}

function writeKey(path: string, token: string): void {
  const file = openSync(path, 'w', 0o600)
  try {
    writeSync(file, `${token}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
