/** The same reads, with what the database throws turned into a failure. */
export function guardedReads<Rows extends object>(rows: Rows, asFailure: (error: unknown) => unknown): Rows {
  return new Proxy(rows, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value === 'function')
        return async (...parameters: unknown[]) => {
          try {
            return await Reflect.apply(value, target, parameters)
          } catch (error) {
            throw asFailure(error)
          }
        }
      return typeof value === 'object' && value !== null ? guardedReads(value, asFailure) : value
    },
  })
}
