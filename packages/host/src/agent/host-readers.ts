import { Home } from '@holdfast/generations/directory/home'
import { type BrowseRoutes, browseRoutes } from '../browse/browse-routes.ts'
import { RunningDrills } from '../drills/running-drills.ts'
import type { HostEvents } from '../events/host-events.ts'
import type { HostLayout } from '../volume/host-layout.ts'
import type { HostAgentDeps } from './host-agent-deps.ts'
import type { HostHistory } from './host-history.ts'
import { importLeases } from './import-leases.ts'

/** Where every sandbox has its files. */
const GUEST_PATH = '/workspace'

export interface ReaderParts {
  readonly layout: HostLayout
  readonly history: HostHistory
}

/** What reads generations for people. */
export function makeBrowse(deps: HostAgentDeps, { layout, history }: ReaderParts): BrowseRoutes {
  const { clock, randomness, isRoot, leases } = deps
  const place = { scratch: layout.scratch, mountPath: GUEST_PATH, isRoot }
  return browseRoutes({ ...history, ...place, clock, randomness, acquire: importLeases(leases) })
}

/** What proves generations by restoring them. */
export function makeDrills(
  deps: HostAgentDeps,
  parts: ReaderParts & { readonly events: HostEvents },
): RunningDrills {
  const { clock, randomness, isRoot, onDefect, drillPolicy } = deps
  const { layout, history, events } = parts
  const home = new Home(layout.home)
  return new RunningDrills({
    ...history,
    ...{ clock, randomness, isRoot, scratch: layout.scratch, mountPath: GUEST_PATH },
    workspaces: async () => home.directories(),
    report: async (event) => events.add(event),
    onDefect: (failure) => onDefect?.(failure, 'drill'),
    ...(drillPolicy ? { policy: drillPolicy } : {}),
  })
}
