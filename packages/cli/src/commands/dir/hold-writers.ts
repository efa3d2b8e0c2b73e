import { WriterLock } from '@holdfast/generations/directory/writer-lock'
import { openHome } from '../../directory-deps.ts'
import type { Context } from '../../open-context.ts'

/** Keeps all writers of an org away: what no commit is about to refer to needs no grace. Rejects with `lease-held`. */
export function holdWriters(context: Context, org: string): Disposable {
  const held = new DisposableStack()
  try {
    for (const each of openHome(context).directories()) {
      if (each.org === org) held.use(WriterLock.take(openHome(context).directoryPath(each.workspace)))
    }
    return held
  } catch (error) {
    held[Symbol.dispose]()
    throw error
  }
}
