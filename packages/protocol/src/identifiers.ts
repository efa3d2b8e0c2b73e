import { z } from 'zod'

/** 26 letters of Crockford's base 32 in lower case behind a prefix and an underscore. */
function identifier<Brand extends string>(prefix: string) {
  const shape = new RegExp(`^${prefix}_[0-9a-hjkmnp-tv-z]{26}$`)
  return z.string().regex(shape, `an id of the form ${prefix}_…`).brand<Brand>()
}

export const WorkspaceId = identifier<'WorkspaceId'>('ws')
export const OrgId = identifier<'OrgId'>('org')
export const HostId = identifier<'HostId'>('host')
export const KeyId = identifier<'KeyId'>('key')
export const TaskId = identifier<'TaskId'>('task')
/** Chosen by the caller or by the server: letters, digits, `-`, `_` and `.`, at most 64. */
export const ExecId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'at most 64 letters, digits, - _ .')
  .brand<'ExecId'>()
/** The SHA-256 of a generation's record. */
export const GenerationId = z
  .string()
  .regex(/^[0-9a-f]{64}$/, '64 hex digits')
  .brand<'GenerationId'>()
/**
 * Unique in its org among workspaces that are not removed; usable in place of an id, so it must not look like one, nor
 * like one in a host name, where `ws-…` stands for `ws_…`.
 */
export const WorkspaceName = z
  .string()
  .regex(
    /^(?!ws[_-][0-9a-hjkmnp-tv-z]{26}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
    'at most 63 of a-z, 0-9 and -, not at an end',
  )
export const Port = z.int().min(1).max(65_535)
export const Epoch = z.int().min(0)

export type WorkspaceId = z.infer<typeof WorkspaceId>
export type OrgId = z.infer<typeof OrgId>
export type HostId = z.infer<typeof HostId>
export type KeyId = z.infer<typeof KeyId>
export type ExecId = z.infer<typeof ExecId>
export type GenerationId = z.infer<typeof GenerationId>
