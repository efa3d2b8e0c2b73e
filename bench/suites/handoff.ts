import type { Workspace } from '@holdfast/client/workspace'
import { BenchInstallation } from '../bench-installation.ts'
import type { BenchRun, Suite } from '../bench-run.ts'
import { median, quantile } from '../measure.ts'
import { type Attempts, attempts, successPct, wallMs } from '../timing.ts'

const LARGE_BYTES = 1e9

/** Files as an agent writes them, as fast as it can; and pieces in the middle of the large one. */
const WRITERS = {
  handoff: 'n=0; while :; do n=$((n+1)); seq 1000 >small-$((n % 50)); echo $n >>log; done',
  'handoff-in-place':
    'n=0; while :; do n=$((n+1)); dd if=/dev/urandom of=large bs=64k count=4 conv=notrunc seek=$((n % 100)) status=none; done',
} as const

export const handoff: Suite = {
  name: 'handoff',
  cases: ['handoff', 'handoff-in-place', 'resume', 'resume-elsewhere'],
  peers: [],
  run: runHandoff,
}

/** Moves between two hosts of one box: what is copied crosses a store, not a network. */
async function runHandoff(bench: BenchRun): Promise<void> {
  const folder = bench.disk.folder('handoff')
  await using installation = await BenchInstallation.start({ folder, hosts: 2 })
  const { holdfast } = installation
  const bytes = bench.quick ? LARGE_BYTES / 10 : LARGE_BYTES
  bench.say(`a workspace of ${bytes / 1e6} MB`)
  const large = await holdfast.create({})
  await large.exec(`head -c ${bytes} /dev/urandom >large`, { throwOnError: true })
  await large.sync()
  for (const name of ['handoff', 'handoff-in-place'] as const)
    if (bench.wants(name)) await runMoves(bench, name, large)
  if (bench.wants('resume')) {
    const made = await attempts(bench.quick ? 2 : 5, async () => {
      await large.stop()
      return await wallMs(() => large.resume())
    })
    reportAttempts(bench, 'resume', made, 1)
  }
  if (bench.wants('resume-elsewhere')) await runElsewhere(bench, installation, bytes)
}

async function runMoves(bench: BenchRun, name: keyof typeof WRITERS, large: Workspace): Promise<void> {
  bench.say(name)
  const copyMs: number[] = []
  const moved = await attempts(bench.quick ? 4 : 20, async () => {
    await large.exec(WRITERS[name], { detached: true })
    await large.sync()
    const result = await large.handoff()
    copyMs.push(result.preCopyMs)
    return result.pauseMs
  })
  reportAttempts(bench, name, moved, 0.95)
  bench.report({ case: name, metric: 'copy_p50_ms', value: median(copyMs) })
}

/** The other host has never had it: all of it comes out of the store. */
async function runElsewhere(bench: BenchRun, { holdfast }: BenchInstallation, bytes: number): Promise<void> {
  bench.say('resuming elsewhere')
  const fresh = await holdfast.create({})
  await fresh.exec(`head -c ${bytes} /dev/urandom >large`, { throwOnError: true })
  const from = fresh.state.hostId ?? ''
  await fresh.stop()
  await holdfast.platform.drainHost(from)
  const made = await attempts(1, () => wallMs(() => fresh.resume()))
  reportAttempts(bench, 'resume-elsewhere', made, 1)
}

function reportAttempts(bench: BenchRun, name: string, made: Attempts, share: number): void {
  bench.report({ case: name, metric: 'p50_ms', value: median(made.ms) })
  if (made.ms.length > 1)
    bench.report({ case: name, metric: share === 1 ? 'most_ms' : 'p95_ms', value: quantile(made.ms, share) })
  bench.report({ case: name, metric: 'success_pct', value: successPct(made) })
  const [failure] = made.failures
  if (failure !== undefined) bench.say(`${name}: ${String(failure)}`)
}
