/*
 * Where a served port is found by name: `<port>-<workspace>.<domain>`, the workspace as its name or as its id with a
 * hyphen in place of the underscore, which host names must not have: `3000-ws-0123….apps.example.com`.
 */

/** A label of a host name has so many characters. */
const LABEL_CHARACTERS_MAX = 63
const LABEL = /^([1-9]\d{0,4})-([a-z0-9](?:[a-z0-9-]*[a-z0-9])?)$/
const ID_IN_LABEL = /^ws-([0-9a-hjkmnp-tv-z]{26})$/
const PORT_MAX = 65_535

export interface ExposureName {
  readonly port: number
  /** An id or a name. */
  readonly workspace: string
}

/** The host name of a served port; undefined for a workspace name that is too long: its id fits. */
export function exposureHost({ port, workspace }: ExposureName, domain: string): string | undefined {
  const label = `${port}-${workspace.replace(/^ws_/, 'ws-')}`
  return label.length > LABEL_CHARACTERS_MAX ? undefined : `${label}.${domain}`
}

/** Undefined for everything but the one spelling that `exposureHost` gives: what two spellings share, one may forge. */
export function parseExposureHost(host: string, domain: string): ExposureName | undefined {
  if (!host.endsWith(`.${domain}`)) return undefined
  const label = host.slice(0, -domain.length - 1)
  const [, digits = '', name = ''] = LABEL.exec(label) ?? []
  const port = Number(digits)
  if (name === '' || label.length > LABEL_CHARACTERS_MAX || port > PORT_MAX) return undefined
  return { port, workspace: name.replace(ID_IN_LABEL, 'ws_$1') }
}
