import { z } from 'zod'
import { FAILURES, type FailureCode } from './failures.ts'

const CODES = Object.keys(FAILURES) as [FailureCode, ...FailureCode[]]

/** A failure as it crosses a process boundary; `Failure` in `base` is made of it, and `failureToWire` makes it. */
export const WireFailure = z.strictObject({
  code: z.enum(CODES),
  message: z.string(),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
})
export type WireFailure = z.infer<typeof WireFailure>
