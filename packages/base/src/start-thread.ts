import { enableCompileCache, getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'
import { Worker, type WorkerOptions } from 'node:worker_threads'

/** Starts a thread whose first module calls `useCompiledCode`. */
export function startThread(main: URL, options?: Omit<WorkerOptions, 'argv'>): Worker {
  const ofThisVersion = getCompileCacheDir()
  return new Worker(main, { ...options, argv: ofThisVersion === undefined ? [] : [dirname(ofThisVersion)] })
}

/**
 * Takes what the calling thread imports from here on from where the process keeps compiled code. Node gives that to no
 * thread by itself: a staging thread starts with 0.55 s of CPU without and 0.17 s with it.
 */
export function useCompiledCode(): void {
  const [folder] = process.argv.slice(2)
  if (folder !== undefined) enableCompileCache(folder)
}
