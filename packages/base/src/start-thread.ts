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
