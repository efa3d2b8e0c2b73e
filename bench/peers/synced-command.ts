import { type Command, type Cost, measuredCommand } from '../measure.ts'

/** Runs a program, then waits until the filesystem of `path` has everything on disk; the cost is that of both. */
export async function syncedCommand(path: string, command: Command): Promise<Cost> {
  const { cost } = await measuredCommand(command)
  const { cost: sync } = await measuredCommand({ file: 'sync', args: ['-f', path] })
  return {
    wallS: cost.wallS + sync.wallS,
    cpuS: cost.cpuS + sync.cpuS,
    peakBytes: Math.max(cost.peakBytes, sync.peakBytes),
  }
}
