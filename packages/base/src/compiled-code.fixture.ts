import { getCompileCacheDir } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import { useCompiledCode } from './start-thread.ts'

useCompiledCode()
parentPort?.postMessage({ folder: getCompileCacheDir(), workerData })
