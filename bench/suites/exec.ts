import type { Workspace } from '@holdfast/client/workspace'
import { BenchInstallation } from '../bench-installation.ts'
import type { BenchRun, Suite } from '../bench-run.ts'
import { median, quantile } from '../measure.ts'
import { bwrap, RawContainer, runc } from '../peers/raw-sandboxes.ts'
import { attempts, spread, successPct, wallMs } from '../timing.ts'

const CLIENTS = 16

export const exec: Suite = {
  name: 'exec',
  cases: ['exec-true', 'exec-parallel', 'exec-shell'],
  peers: [runc, bwrap],
  run: runExec,
}

/** Commands through the API, one after another and many at once, beside the programs that start one. */
async function runExec(bench: BenchRun): Promise<void> {
  await using installation = await BenchInstallation.start({ folder: bench.disk.folder('exec') })
  const workspace = await installation.holdfast.create({})
  const count = bench.quick ? 50 : 500
  await attempts(20, () => ranTrue(workspace, ['true']))
  if (bench.wants('exec-true')) await runSequential(bench, workspace, count)
  if (bench.wants('exec-shell')) {
    const said = await attempts(count / 5, () => ranTrue(workspace, 'echo hello | cat'))
    bench.report({ case: 'exec-shell', metric: 'p50_ms', value: median(said.ms) })
  }
  if (bench.wants('exec-parallel')) await runParallel(bench, workspace, count * 2)
}

async function runSequential(bench: BenchRun, workspace: Workspace, count: number): Promise<void> {
  bench.say('exec true, one after another')
  const ran = await attempts(count, () => ranTrue(workspace, ['true']))
  const peers = await peerTimes(bench, Math.max(10, count / 10))
  for (const [metric, share] of spread) {
    const beside = Object.entries(peers).map(([name, ms]) => [name, quantile(ms, share)] as const)
    bench.report({
      case: 'exec-true',
      metric,
      value: quantile(ran.ms, share),
      peers: Object.fromEntries(beside),
    })
  }
  bench.report({ case: 'exec-true', metric: 'success_pct', value: successPct(ran) })
}

/** What a caller would run without us: each in a sandbox that is there, or makes one. */
async function peerTimes(bench: BenchRun, count: number): Promise<Record<string, readonly number[]>> {
  bench.say('runc exec, bwrap')
  await using container = await RawContainer.start(bench.disk.folder('runc'))
  const inContainer = await attempts(count, () => container.exec('true'))
  const inBwrap = await attempts(count, () => bwrap.runTrue())
  return { 'runc exec': inContainer.ms, bwrap: inBwrap.ms }
}

async function runParallel(bench: BenchRun, workspace: Workspace, count: number): Promise<void> {
  bench.say(`exec true, ${CLIENTS} at once`)
  let left = count
  let failed = 0
  const client = async () => {
    while (left-- > 0) await ranTrue(workspace, ['true']).catch(() => failed++)
  }
  const ms = await wallMs(() => Promise.all(Array.from({ length: CLIENTS }, client)))
  bench.report({ case: 'exec-parallel', metric: 'per_second', value: (1000 * (count - failed)) / ms })
  bench.report({ case: 'exec-parallel', metric: 'success_pct', value: 100 * (1 - failed / count) })
}

async function ranTrue(workspace: Workspace, command: string | readonly string[]): Promise<void> {
  await workspace.exec(command, { throwOnError: true })
}
