import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// As the command line does: types are stripped and code is compiled once, not at each start.
enableCompileCache(fileURLToPath(new URL('../../../build/compile-cache', import.meta.url)))

const { runRoleProcess } = await import('./role-process.ts')
await runRoleProcess()
