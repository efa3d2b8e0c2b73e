import { useCompiledCode } from '@holdfast/base/start-thread'

useCompiledCode()
await import('./restore-worker.ts')
