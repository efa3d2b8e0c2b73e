import type { Clock } from '@holdfast/base/clock'
import type { ExposureLinks } from '@holdfast/base/exposure-link'
import type { Randomness } from '@holdfast/base/randomness'
import type { Scope } from '@holdfast/protocol/endpoints'
import type { OrgId } from '@holdfast/protocol/identifiers'
import type { Isolation } from '@holdfast/protocol/sandbox-spec'
import type { Histories } from '../ports/histories.ts'
import type { HostLinks } from '../ports/host-links.ts'
import type { Store } from '../ports/store.ts'
import type { StatusSignals } from './status-signals.ts'

/** What operations stand on. */
export interface Deps {
  readonly store: Store
  readonly histories: Histories
  readonly links: HostLinks
  readonly clock: Clock
  readonly signals: StatusSignals
  readonly settings: Settings
}

export interface Settings {
  /** Host names under which the API is asked: others are `misdirected`. */
  readonly hostNames: readonly string[]
  /** Keys are kept as HMACs under it. */
  readonly keyPepper: string
  /** A host is lost once it was silent for so long. */
  readonly hostSilenceMs: number
  readonly heartbeatMs: number
  /** Where served ports are found: `<scheme>://<port>-<workspace>.<domain><suffix>`; null: nowhere. */
  readonly exposures: ExposureSettings | null
  readonly idleTimeoutMsDefault: number | null
  /** Of workspaces that do not say how much they want: less than `shared-kernel` only where a person asked for it. */
  readonly isolationMinDefault: Isolation
  /** Activity and ended commands are kept for so long; the audit for ever. */
  readonly eventsKeptMs: number
}

export interface ExposureSettings {
  readonly scheme: 'http' | 'https'
  readonly domain: string
  /** Absent: the scheme's own. */
  readonly port?: number
  readonly links: ExposureLinks
}

/** Who asks, and for whom. */
export interface Caller {
  readonly org: OrgId
  readonly user: string
  /** The key's id, or what of control acts by itself. */
  readonly actor: string
  readonly scopes: readonly Scope[]
  /**
   * New ids come from here. With an Idempotency-Key it gives the same again, so that a request that is carried out
   * twice, since the first answer was lost with its process, makes nothing twice.
   */
  readonly randomness: Randomness
}
