import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Workspace } from '@holdfast/client/workspace'
import { BenchInstallation } from '../bench-installation.ts'
import type { BenchRun, Suite } from '../bench-run.ts'
import { median, outputOf, run } from '../measure.ts'

const WORKLOAD = join(import.meta.dirname, '../workloads/fsync-heavy.ts')
const COUNTS = { sqlite: 5000, git: 100, storm: 10_000 } as const
const TURNS = 3

export const fsync: Suite = {
  name: 'fsync',
  cases: ['sqlite', 'git', 'storm'],
  peers: [{ name: 'git', aptPackage: 'git', version: () => outputOf('git', '--version') }],
  run: runFsync,
}

/** The same program in a workspace whose state is captured once a second, and in a directory beside its volume. */
async function runFsync(bench: BenchRun): Promise<void> {
  await using installation = await BenchInstallation.start({ folder: bench.disk.folder('fsync') })
  const workspace = await installation.holdfast.create({})
  await workspace.files.write('workload.ts', readFileSync(WORKLOAD))
  for (const name of ['sqlite', 'git', 'storm'] as const) {
    if (!bench.wants(name)) continue
    bench.say(name)
    const count = Math.ceil(COUNTS[name] / (bench.quick ? 10 : 1))
    const inside: number[] = []
    const outside: number[] = []
    for (let turn = 0; turn < TURNS; turn++) {
      outside.push(await secondsOutside(bench.disk.folder(name), name, count))
      inside.push(await secondsInside(workspace, name, count))
    }
    const [ours, ext4] = [median(inside), median(outside)]
    bench.report({ case: name, metric: 'per_second', value: count / ours, peers: { ext4: count / ext4 } })
    bench.report({ case: name, metric: 'speed_ratio', value: ext4 / ours })
  }
}

async function secondsInside(workspace: Workspace, name: string, count: number): Promise<number> {
  const command = ['node', 'workload.ts', name, String(count), '/workspace/turn']
  return Number((await workspace.exec(command, { throwOnError: true })).stdout)
}

async function secondsOutside(folder: string, name: string, count: number): Promise<number> {
  const args = [WORKLOAD, name, String(count), join(folder, 'turn')]
  return Number(await run({ file: process.execPath, args }))
}
