import { enableCompileCache } from 'node:module'

// Not TypeScript: what strips types costs 0.1 s to load, and compiled code is found only after this module.
const [folder] = process.argv.slice(2)
if (folder !== undefined) enableCompileCache(folder)
await import('./stage-worker.ts')
