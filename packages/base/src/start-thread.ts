import { once } from 'node:events'
import { getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'
import { Worker, type WorkerOptions } from 'node:worker_threads'

/**
 * Starts a thread and tells it, as its only argument, where this process keeps compiled code. Node gives that to no
 * thread by itself: a staging thread starts with 0.55 s of CPU without and 0.18 s with it.
 */
export function startThread(main: URL, options?: Omit<WorkerOptions, 'argv'>): Worker {
  const ofThisVersion = getCompileCacheDir()
  return new Worker(main, { ...options, argv: ofThisVersion === undefined ? [] : [dirname(ofThisVersion)] })
}

/** Asks a thread to end; its message handler answers with `process.exit()`. */
export const END_THREAD = 'end-thread'

/**
 * Ends a thread when it next reads its messages. Never by `terminate()`: Node 24 aborts the whole process when a thread
 * is stopped between the two calls that make a zlib stream (`close before init`).
 */
export async function endThread(worker: Worker): Promise<void> {
  if (worker.threadId === -1) return
  const ended = once(worker, 'exit')
  worker.postMessage(END_THREAD)
  await ended
}
