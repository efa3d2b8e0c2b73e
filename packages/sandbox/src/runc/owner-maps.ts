import { GUEST_USER_ID } from '../system/root-plan.ts'
import { UIDS_PER_SANDBOX } from './oci-config.ts'

/** Users of the guest that own what they make under their own number also on the host's disk: user and agent. */
const KEPT_IDS = 2
/** The others are moved up, so that nothing in a volume is ever owned by an account of the host. */
const FOREIGN_ID_MIN = 100_000

/** FILE:HOST:COUNT of the mount helper for what a guest writes, for all ids of the container. Pure. */
export function writtenMaps(firstUid: number): string[] {
  const below = GUEST_USER_ID
  const above = GUEST_USER_ID + KEPT_IDS
  return [
    `${GUEST_USER_ID}:${firstUid + GUEST_USER_ID}:${KEPT_IDS}`,
    `${FOREIGN_ID_MIN}:${firstUid}:${below}`,
    `${FOREIGN_ID_MIN + above}:${firstUid + above}:${UIDS_PER_SANDBOX - above}`,
  ]
}

/** The same for an overlay's upper directory, in which the host's root has files too: marks of what was deleted. Pure. */
export function upperMaps(firstUid: number): string[] {
  return [...writtenMaps(firstUid), '0:0:1']
}

/** The same for a system that is written to: what root has is root's, or the user's where nobody can be root. Pure. */
export function systemMaps(firstUid: number, owner: number): string[] {
  if (owner === 0) return [`0:${firstUid}:${UIDS_PER_SANDBOX}`]
  const above = owner + 1
  return [
    ...[`0:${firstUid + owner}:1`, `1:${firstUid + 1}:${owner - 1}`, `${owner}:${firstUid}:1`],
    `${above}:${firstUid + above}:${UIDS_PER_SANDBOX - above}`,
  ]
}
