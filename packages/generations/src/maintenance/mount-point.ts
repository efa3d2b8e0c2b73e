import { mkdirSync, rmdirSync } from 'node:fs'
import { dirname } from 'node:path'

/** A directory to mount on; what had to be made for it is removed at the end of the scope. */
export function mountPoint(path: string): Disposable {
  const first = mkdirSync(path, { recursive: true })
  return {
    [Symbol.dispose]: () => {
      if (first === undefined) return
      for (let made = path; made.length >= first.length; made = dirname(made)) rmdirSync(made)
    },
  }
}
