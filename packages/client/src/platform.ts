import type {
  AuditVerification,
  CreatedKey,
  CreateKey,
  Host,
  Key,
  Org,
} from '@holdfast/protocol/rest/platform'
import type { Drill } from '@holdfast/protocol/rest/workspace'
import { type Api, type Asked, type CallOptions, pathOf, type Shown } from './api.ts'
import type { ActivityEvent } from './events.ts'
import { pageItems } from './page-items.ts'

export type HostState = Shown<typeof Host>
export type KeyState = Shown<typeof Key>
export type DrillState = Shown<typeof Drill>
export type OrgState = Shown<typeof Org>

interface Page<Item> {
  readonly items: readonly Item[]
  readonly nextCursor: string | null
}

/** What stands behind the workspaces: hosts, keys, the audit. */
export class Platform {
  readonly #api: Api

  constructor(api: Api) {
    this.#api = api
  }

  hosts(options: CallOptions = {}): AsyncGenerator<HostState, void> {
    return this.#all('hosts', {}, options)
  }

  /** Hands every workspace of a host off to others. */
  async drainHost(id: string, options: CallOptions = {}): Promise<HostState> {
    return await this.#api.json({
      method: 'POST',
      path: pathOf('hosts', id, 'drain'),
      body: {},
      ...options,
    })
  }

  drills(options: CallOptions = {}): AsyncGenerator<DrillState, void> {
    return this.#all('drills', {}, options)
  }

  orgs(options: CallOptions = {}): AsyncGenerator<OrgState, void> {
    return this.#all('orgs', {}, options)
  }

  keys(options: CallOptions = {}): AsyncGenerator<KeyState, void> {
    return this.#all('keys', {}, options)
  }

  /** The only time that the secret is told. */
  async createKey(
    key: Asked<typeof CreateKey>,
    options: CallOptions = {},
  ): Promise<Shown<typeof CreatedKey>> {
    return await this.#api.json({ method: 'POST', path: pathOf('keys'), body: key, ...options })
  }

  async removeKey(id: string, options: CallOptions = {}): Promise<void> {
    await this.#api.finish({ method: 'DELETE', path: pathOf('keys', id), ...options })
  }

  /** Who did what. */
  audit(options: CallOptions = {}): AsyncGenerator<ActivityEvent, void> {
    return this.#all('audit', {}, options)
  }

  /** Proves that no row of the audit was changed, dropped, moved or cut off. */
  async verifyAudit(options: CallOptions = {}): Promise<Shown<typeof AuditVerification>> {
    return await this.#api.json({ method: 'GET', path: pathOf('audit', 'verify'), ...options })
  }

  #all<Item>(what: string, query: object, options: CallOptions): AsyncGenerator<Item, void> {
    return pageItems(
      async (cursor) =>
        await this.#api.json<Page<Item>>({
          method: 'GET',
          path: pathOf(what),
          query: { ...query, cursor },
          ...options,
        }),
    )
  }
}
