import type { HostOffer } from './running-role.ts'

/** What a supervisor and the processes of its roles say to one another, by Node's own channel. */
export type ToRole = { readonly kind: 'begin'; readonly settings: unknown }

export type FromRole =
  | {
      readonly kind: 'ready'
      readonly address: string
      readonly publicUrl: string | null
      readonly offer: HostOffer | null
    }
  | {
      readonly kind: 'failed'
      readonly code: string
      readonly message: string
      readonly details: Readonly<Record<string, string | number | boolean | null>>
    }
