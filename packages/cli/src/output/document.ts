import { isoInstant } from './quantities.ts'

/** A document of the API as programs read it here: instants, which end in `At`, in ISO 8601. */
export function documentOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(documentOf)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      (name === 'at' || name.endsWith('At')) && typeof inner === 'number'
        ? isoInstant(inner)
        : documentOf(inner),
    ]),
  )
}
