/** Guards a programmer's mistake, never an input: what fails here is a defect of this code. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`)
}

/** Closes a union: a new member breaks the build at every place that calls this. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`)
}

/** The value, which the caller has shown to exist. */
export function present<T>(value: T | undefined | null, what: string): T {
  assert(value !== undefined && value !== null, `${what} is absent`)
  return value
}
