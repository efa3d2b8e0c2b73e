import { z } from 'zod'

/** Milliseconds since 1970. */
export const Instant = z.int().min(0)

const PAGE_ITEMS_MAX = 200
const PAGE_ITEMS_DEFAULT = 50

/** Of every list: `cursor` is the `next_cursor` of the page before. */
export const PageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(PAGE_ITEMS_MAX).default(PAGE_ITEMS_DEFAULT),
  cursor: z.string().max(512).optional(),
})

export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.strictObject({ items: z.array(item), next_cursor: z.string().nullable() })
}

/** What every refusal looks like. */
export const ErrorBody = z.strictObject({
  error: z.strictObject({
    /** A code of docs/failures.md with `_` for `-`. */
    code: z.string(),
    message: z.string(),
    hint: z.string(),
    details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
    request_id: z.string(),
    retryable: z.boolean(),
  }),
})
export type ErrorBody = z.infer<typeof ErrorBody>

/** `30s`, `500ms`, `2m`: how long a request may wait for what it asked for. */
export const WaitQuery = z.strictObject({
  wait: z
    .string()
    .regex(/^\d{1,6}(ms|s|m)$/)
    .optional(),
})

export const Labels = z.record(z.string().regex(/^[a-zA-Z0-9._/-]{1,63}$/), z.string().max(256))
export const DURATION_MS_MAX = 30 * 24 * 3600 * 1000
