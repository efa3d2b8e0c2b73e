/** The same reads, with what the database throws turned into a failure. */
export function guardedReads<Rows extends object>(rows: Rows, asFailure: (error: unknown) => unknown): Rows {
  const guarded = new Map<unknown, unknown>()
  const guard = (value: unknown) => {
    if (typeof value === 'function')
      return async (...parameters: unknown[]) => {
        try {
          return await Reflect.apply(value, rows, parameters)
        } catch (error) {
          throw asFailure(error)
        }
      }
    return typeof value === 'object' && value !== null ? guardedReads(value, asFailure) : value
  }
  return new Proxy(rows, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (!guarded.has(value)) guarded.set(value, guard(value))
      return guarded.get(value)
    },
  })
}
