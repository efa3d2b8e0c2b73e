import { Failure } from './failure.ts'

/** What all resolved with; rejects with the first failure in their order, once none of them is under way any more. */
export async function allSettled<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  return (await Promise.allSettled(promises)).map((result) => {
    if (result.status === 'fulfilled') return result.value
    throw result.reason instanceof Error ? result.reason : new Failure('internal', String(result.reason))
  })
}
