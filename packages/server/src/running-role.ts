import type { RuntimeKind } from '@holdfast/protocol/sandbox-spec'

/** What a host works with, as it found out by trying: the best first. */
export interface HostOffer {
  readonly runtimes: readonly RuntimeKind[]
  /** What was wanted too and does not work here, and why. */
  readonly refused: readonly { readonly kind: RuntimeKind; readonly trouble: string }[]
  readonly volume: 'btrfs' | 'live'
}

/** A role that answers; disposing of it ends it in good order. */
export interface RunningRole extends AsyncDisposable {
  /** Where other roles reach it. */
  readonly address: string
  /** Where people reach it, for roles that have such a side. */
  readonly publicUrl: string | null
  /** Of a host. */
  readonly offer?: HostOffer
}
