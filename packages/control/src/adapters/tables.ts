import type { Kysely } from 'kysely'

/*
 * What is searched by is a column; the rest of a record is its document, as JSON. All tables begin with `control_`,
 * since the lease role may keep its own beside them.
 */

export interface Tables {
  control_orgs: { id: string; name: string; created_at: number }
  control_users: { id: string; org_id: string; name: string; created_at: number }
  control_keys: {
    id: string
    org_id: string
    user_id: string
    name: string
    scopes: string
    secret_hash: string
    created_at: number
    expires_at: number | null
    last_used_at: number | null
  }
  control_workspaces: {
    id: string
    org_id: string
    name: string | null
    status: string
    host_id: string | null
    parent_id: string | null
    created_at: number
    archived_at: number | null
    removed_at: number | null
    due_at: number | null
    document: string
  }
  control_workspace_labels: { workspace_id: string; name: string; value: string }
  control_facts: { workspace_id: string; host_id: string; at: number; document: string }
  control_execs: {
    workspace_id: string
    id: string
    status: string
    created_at: number
    ended_at: number | null
    document: string
  }
  control_exposures: {
    id: string
    workspace_id: string
    port: number
    org_id: string
    access: string
    created_at: number
  }
  control_services: { workspace_id: string; name: string; document: string }
  control_events: {
    id: number
    org_id: string
    workspace_id: string | null
    category: string
    type: string
    actor: string
    source: string
    at: number
    payload: string
    previous_hash: string | null
    hash: string | null
  }
  control_sequencer: { name: string; value: number }
  control_audit_heads: { org_id: string; rows: number; hash: string }
  control_answers: {
    org_id: string
    key: string
    fingerprint: string
    status: number
    body: string
    expires_at: number
  }
  control_reports: { id: string; at: number }
  control_hosts: { id: string; document: string }
  control_drills: { id: number; org_id: string; document: string }
  control_schema: { version: number }
}

export type Database = Kysely<Tables>
