import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { BenchRun } from '../bench-run.ts'
import { Engine } from '../engine.ts'
import { type Cost, measured, median, medianCost, run } from '../measure.ts'
import type { BackupPeer } from '../peers/backup-peer.ts'
import { commandLine } from '../peers/command-line.ts'

/** A directory to keep, and what ten changes in it are. */
export interface TreeWorkload {
  readonly name: string
  readonly make: (folder: string) => Promise<void> | void
  readonly change: (folder: string, round: number) => void
}

const STEPS = ['first', 'nothing', 'ten', 'restore'] as const
type Step = (typeof STEPS)[number]

/** What one tool did with one workload, several times over. */
interface Tally {
  readonly costs: Record<Step, Cost[]>
  readonly newMb: number[]
  readonly storedMb: number[]
}

/** A tool's repository, ours or a peer's, behind one face. */
interface Contender extends AsyncDisposable {
  commit(source: string): Promise<{ readonly cost: Cost; readonly newMb: number | undefined }>
  restore(target: string): Promise<Cost>
  readonly path: string
}

interface NamedContender {
  readonly name: string
  readonly open: (folder: string) => Promise<Contender>
}

const OURS = 'library'
const MB = 1e6

/**
 * First commit, one of nothing, one of ten changes, restore: each tool in turn on the same tree, so that what else the
 * machine does meets all of them.
 */
export async function runTreeWorkload(
  bench: BenchRun,
  workload: TreeWorkload,
  peers: readonly BackupPeer[],
): Promise<void> {
  const wanted = STEPS.filter((step) => bench.wants(`${workload.name}-${step}`))
  if (wanted.length === 0) return
  const source = bench.disk.folder(`${workload.name}-source`)
  await workload.make(source)
  const contenders = [
    { name: OURS, open: openEngine },
    ...(await commandLineContender(bench)),
    ...peers.map(asContender),
  ]
  const tallies = new Map<string, Tally>(contenders.map(({ name }) => [name, emptyTally()]))
  let round = 0
  for (let repeat = 0; repeat < bench.repeats; repeat++) {
    for (const { name, open } of contenders) {
      bench.say(`${workload.name} ${repeat + 1}/${bench.repeats}: ${name}`)
      const tally = tallies.get(name) ?? emptyTally()
      const change = () => workload.change(source, ++round)
      await runOnce(bench, { source, change, open, name, wanted, tally })
    }
  }
  for (const step of wanted) reportStep(bench, `${workload.name}-${step}`, step, tallies)
}

async function runOnce(
  bench: BenchRun,
  turn: {
    readonly source: string
    readonly name: string
    readonly change: () => void
    readonly open: (folder: string) => Promise<Contender>
    readonly wanted: readonly Step[]
    readonly tally: Tally
  },
): Promise<void> {
  const { source, tally, wanted } = turn
  const folder = bench.disk.folder(`${turn.name.replaceAll(/\W+/g, '-')}`)
  await bench.disk.settle()
  await run({ file: 'sh', args: ['-c', 'tar -C "$1" -cf - . | cat > /dev/null', 'sh', source] })
  await using contender = await turn.open(folder)
  tally.costs.first.push((await contender.commit(source)).cost)
  tally.storedMb.push(await folderMb(contender.path))
  if (wanted.includes('nothing')) tally.costs.nothing.push((await contender.commit(source)).cost)
  if (wanted.includes('ten')) {
    turn.change()
    await bench.disk.settle()
    const before = await folderMb(contender.path)
    const { cost, newMb } = await contender.commit(source)
    tally.costs.ten.push(cost)
    tally.newMb.push(newMb ?? (await folderMb(contender.path)) - before)
  }
  if (wanted.includes('restore')) {
    const target = join(folder, 'restored')
    mkdirSync(target)
    await bench.disk.settle()
    tally.costs.restore.push(await contender.restore(target))
  }
}

function reportStep(
  bench: BenchRun,
  caseName: string,
  step: Step,
  tallies: ReadonlyMap<string, Tally>,
): void {
  report(bench, { case: caseName, metric: 'wall_s' }, tallies, ({ costs }) => medianCost(costs[step]).wallS)
  report(bench, { case: caseName, metric: 'cpu_s' }, tallies, ({ costs }) => medianCost(costs[step]).cpuS)
  if (step === 'first')
    report(bench, { case: caseName, metric: 'stored_mb' }, tallies, ({ storedMb }) => median(storedMb))
  if (step === 'ten')
    report(bench, { case: caseName, metric: 'new_mb' }, tallies, ({ newMb }) => median(newMb))
}

function report(
  bench: BenchRun,
  figure: { readonly case: string; readonly metric: string },
  tallies: ReadonlyMap<string, Tally>,
  figureOf: (tally: Tally) => number,
): void {
  const values = [...tallies].map(([name, tally]) => [name, figureOf(tally)] as const)
  const own = values.find(([name]) => name === OURS)?.[1] ?? Number.NaN
  const peers = Object.fromEntries(values.filter(([name, value]) => name !== OURS && !Number.isNaN(value)))
  bench.report({ ...figure, value: own, peers })
}

function emptyTally(): Tally {
  return { costs: { first: [], nothing: [], ten: [], restore: [] }, newMb: [], storedMb: [] }
}

async function openEngine(folder: string): Promise<Contender> {
  const engine = await Engine.open(folder)
  return {
    path: join(folder, 'store'),
    commit: async (source) => {
      const { result, cost } = await measured(() => engine.commit(source))
      return { cost, newMb: (result?.newBytes ?? 0) / MB }
    },
    restore: async (target) => (await measured(() => engine.restore(target))).cost,
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
}

/** Our own command as a whole process, when it is built. */
async function commandLineContender(bench: BenchRun): Promise<NamedContender[]> {
  if ((await commandLine.version()) !== undefined) return [asContender(commandLine)]
  bench.say('bin/hold does not commit: no rows of whole processes')
  return []
}

function asContender(peer: BackupPeer): NamedContender {
  return {
    name: peer.name,
    open: async (folder) => {
      const repository = await peer.open(folder)
      return {
        path: repository.path,
        commit: async (source) => ({ cost: await repository.commit(source), newMb: undefined }),
        restore: (target) => repository.restore(target),
        [Symbol.asyncDispose]: async () => {},
      }
    },
  }
}

async function folderMb(path: string): Promise<number> {
  const output = await run({ file: 'du', args: ['-s', '--apparent-size', '--block-size=1', path] })
  return Number(output.split('\t')[0]) / MB
}
