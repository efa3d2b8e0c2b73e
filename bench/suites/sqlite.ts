import type { Suite } from '../bench-run.ts'
export const sqlite: Suite = { name: 'sqlite', cases: [], peers: [], run: async () => {} }
