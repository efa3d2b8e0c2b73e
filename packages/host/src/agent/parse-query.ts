import { Failure } from '@holdfast/base/failure'
import type { z } from 'zod'

/** The parameters of a stream. Rejects with `invalid-argument`. */
export function parseQuery<Shape extends z.ZodType>(shape: Shape, url: URL): z.output<Shape> {
  const parsed = shape.safeParse(Object.fromEntries(url.searchParams))
  if (parsed.success) return parsed.data
  throw new Failure('invalid-argument', `the query has another shape: ${parsed.error.message}`)
}
