import { systemClock } from '@holdfast/base/clock'
import type { Workspace } from '@holdfast/client/workspace'
import { BenchInstallation } from '../bench-installation.ts'
import type { BenchRun, Suite } from '../bench-run.ts'
import { quantile } from '../measure.ts'
import { bwrap, makeBundle, RawContainer, runc } from '../peers/raw-sandboxes.ts'
import { type Attempts, attempt, attempts, spread, successPct, together } from '../timing.ts'

const STAGGER_MS = 200
/** What a score of nothing would take. */
const CEILING_MS = 10_000

/**
 * Time to interactive: from the request for a workspace to the end of its first command, as the public benchmark of
 * sandbox providers takes it: one after another, one every 200 ms, all at once.
 */
export const tti: Suite = {
  name: 'tti',
  cases: ['tti-sequential', 'tti-staggered', 'tti-burst'],
  peers: [runc, bwrap],
  run: runTti,
}

async function runTti(bench: BenchRun): Promise<void> {
  await using installation = await BenchInstallation.start({ folder: bench.disk.folder('tti') })
  const count = bench.quick ? 10 : 100
  const first = () => firstCommand(installation)
  await first()
  if (bench.wants('tti-sequential')) {
    bench.say(`${count} one after another`)
    const peers = await peerAttempts(bench, Math.max(5, count / 10))
    reportAttempts(bench, 'tti-sequential', await attempts(count, first), peers)
  }
  if (bench.wants('tti-staggered')) {
    bench.say(`${count}, one every ${STAGGER_MS} ms`)
    const made = Array.from({ length: count }, async (_, turn) => {
      await systemClock.sleep(turn * STAGGER_MS)
      return await attempt(first)
    })
    reportAttempts(bench, 'tti-staggered', together(await Promise.all(made)))
  }
  if (bench.wants('tti-burst')) {
    bench.say(`${count} at once`)
    const made = Array.from({ length: count }, () => attempt(first))
    reportAttempts(bench, 'tti-burst', together(await Promise.all(made)))
  }
}

/** The milliseconds from the request to the end of the first command; the workspace is removed behind them. */
async function firstCommand({ holdfast }: BenchInstallation): Promise<number> {
  const beganAt = systemClock.monotonicMs()
  let workspace: Workspace | undefined
  try {
    workspace = await holdfast.create({})
    await workspace.exec(['true'], { throwOnError: true })
    return systemClock.monotonicMs() - beganAt
  } finally {
    await workspace?.remove({ force: true })
  }
}

/** What makes a sandbox without us, with nothing kept of it. */
async function peerAttempts(bench: BenchRun, count: number): Promise<Record<string, Attempts>> {
  const folder = bench.disk.folder('runc')
  await makeBundle(folder, ['true'])
  const inRunc = await attempts(count, () => RawContainer.runTrue(folder))
  return { 'runc run': inRunc, bwrap: await attempts(count, () => bwrap.runTrue()) }
}

function reportAttempts(
  bench: BenchRun,
  name: string,
  made: Attempts,
  peers: Readonly<Record<string, Attempts>> = {},
): void {
  for (const [metric, share] of spread) {
    const beside = Object.entries(peers).map(([peer, { ms }]) => [peer, quantile(ms, share)] as const)
    bench.report({
      case: name,
      metric,
      value: quantile(made.ms, share),
      peers: Object.fromEntries(beside),
    })
  }
  bench.report({ case: name, metric: 'success_pct', value: successPct(made) })
  bench.report({ case: name, metric: 'score', value: score(made) })
  const [failure] = made.failures
  if (failure !== undefined) bench.say(`${name}: ${String(failure)}`)
}

/** 100 for no time at all, 0 for ten seconds, times the share that went well. */
function score(made: Attempts): number {
  if (made.ms.length === 0) return 0
  const [p50, p95, p99] = spread.map(([, share]) => quantile(made.ms, share))
  const weighed = 0.6 * pointsOf(p50) + 0.25 * pointsOf(p95) + 0.15 * pointsOf(p99)
  return (weighed * successPct(made)) / 100
}

function pointsOf(ms = CEILING_MS): number {
  return 100 * Math.max(0, 1 - ms / CEILING_MS)
}
