import { useCompiledCode } from '@holdfast/base/start-thread'

useCompiledCode()
await import('./stage-worker.ts')
