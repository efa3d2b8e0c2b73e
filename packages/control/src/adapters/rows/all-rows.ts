import type { NewEvent } from '../../domain/event.ts'
import type { Changes } from '../../ports/store.ts'
import type { Database } from '../tables.ts'
import { EventRows } from './event-rows.ts'
import { ExecRows } from './exec-rows.ts'
import { FactRows } from './fact-rows.ts'
import { AnswerRows, DrillRows, HostRows, ReportRows } from './platform-rows.ts'
import { ExposureRows, ServiceRows } from './served-rows.ts'
import type { Session } from './session.ts'
import { KeyRows, OrgRows } from './tenant-rows.ts'
import { WorkspaceRows } from './workspace-rows.ts'

/** All tables as one connection sees them. Events are kept until `append` writes them. */
export class AllRows implements Changes {
  readonly workspaces: WorkspaceRows
  readonly facts: FactRows
  readonly execs: ExecRows
  readonly exposures: ExposureRows
  readonly services: ServiceRows
  readonly keys: KeyRows
  readonly orgs: OrgRows
  readonly hosts: HostRows
  readonly drills: DrillRows
  readonly answers: AnswerRows
  readonly reports: ReportRows
  readonly events: EventRows
  readonly emitted: NewEvent[] = []

  constructor(database: Database, session: Session) {
    this.workspaces = new WorkspaceRows(database, session)
    this.facts = new FactRows(database, session)
    this.execs = new ExecRows(database, session)
    this.exposures = new ExposureRows(database)
    this.services = new ServiceRows(database)
    this.keys = new KeyRows(database, session)
    this.orgs = new OrgRows(database, session)
    this.hosts = new HostRows(database, session)
    this.drills = new DrillRows(database)
    this.answers = new AnswerRows(database, session)
    this.reports = new ReportRows(database)
    this.events = new EventRows(database, session)
  }

  emit(event: NewEvent): void {
    this.emitted.push({ ...event, at: Math.floor(event.at) })
  }
}
