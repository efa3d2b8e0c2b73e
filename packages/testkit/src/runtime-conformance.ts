import { describe } from 'node:test'
import type { RuntimeBench } from './runtime-bench.ts'
import { commandPromises } from './runtime-commands.ts'
import { containmentPromises } from './runtime-containment.ts'
import { endPromises } from './runtime-ends.ts'
import { keptSystemPromises } from './runtime-kept-system.ts'
import { limitPromises } from './runtime-limits.ts'
import { packPromises } from './runtime-packs.ts'
import { systemWritePromises } from './runtime-system-writes.ts'

/** Registers the promises of the Runtime port as tests of one runtime: those of each, and those that it claims. */
export function runtimeConformance(name: string, bench: RuntimeBench): void {
  describe(`${name} keeps the promises of a runtime:`, () => {
    commandPromises(bench)
    endPromises(bench)
    containmentPromises(bench)
    limitPromises(bench)
    packPromises(bench)
    systemWritePromises(bench)
    keptSystemPromises(bench)
  })
}
