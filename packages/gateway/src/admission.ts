import type { ExposureGrant, ExposureLinks, VerifiedGrant } from '@holdfast/base/exposure-link'
import { Failure } from '@holdfast/base/failure'
import type { Exposure } from './exposures.ts'
import { type Route, unknownPort } from './route.ts'
import type { Credentials } from './visitor.ts'

/** `link`: the token of the URL was good, so a browser gets a cookie in its place. */
export interface Admission {
  readonly through: 'nothing' | 'header' | 'link' | 'cookie'
  /** Until when the token was good; 0 for a port that is open to all. */
  readonly expiresAt: number
}

/**
 * Decides who may see a port. Rejects with `not-found` who has shown no right to know that it is there, and with
 * `unauthenticated` who had that right, until it expired.
 */
export function admit(
  exposure: Exposure & Pick<Route, 'by' | 'port'>,
  credentials: Credentials,
  verify: (token: string) => VerifiedGrant,
): Admission {
  let hasExpired = false
  for (const { through, token } of credentials) {
    if (exposure.by === 'path' && through !== 'header') continue
    const verified = verify(token)
    if (verified.outcome === 'foreign' || !opens(verified.grant, exposure)) continue
    if (verified.outcome === 'valid') return { through, expiresAt: verified.grant.expiresAt }
    hasExpired = true
  }
  if (exposure.access === 'public' && exposure.by !== 'path') return { through: 'nothing', expiresAt: 0 }
  throw hasExpired ? new Failure('unauthenticated', 'the link has expired') : unknownPort()
}

function opens(grant: ExposureGrant, exposure: Exposure & Pick<Route, 'port'>): boolean {
  if (grant.kind === 'port')
    return (
      grant.workspace === exposure.workspace &&
      grant.port === exposure.port &&
      grant.exposure === exposure.exposure
    )
  return exposure.access !== 'private' && grant.org === exposure.org
}

/** A token for the cookie: of this port only, whatever the token that it replaces opens besides. */
export function mintVisit(
  links: ExposureLinks,
  exposure: Exposure & Pick<Route, 'port'>,
  expiresAt: number,
): string {
  const { workspace, port, exposure: id } = exposure
  return links.mint({ kind: 'port', workspace, port, exposure: id, expiresAt })
}
