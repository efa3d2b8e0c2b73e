import type { BenchRun, Suite } from '../bench-run.ts'
import { borg } from '../peers/borg.ts'
import { casync } from '../peers/casync.ts'
import { restic } from '../peers/restic.ts'
import { rsync } from '../peers/rsync.ts'
import { tarZstd } from '../peers/tar-zstd.ts'
import { changeTenFiles, makeSmallFiles } from '../workloads/w1.ts'
import { editTenPlaces, makeLargeFile } from '../workloads/w2.ts'
import { changeTenPackages, makeRootLike } from '../workloads/w3.ts'
import { BTRFS_CASES, runBtrfsVolume } from './btrfs-volume.ts'
import { runMemory } from './memory.ts'
import { runChurn, runS3Commits, runSmallCommits } from './small-commits.ts'
import { runTreeWorkload, type TreeWorkload } from './tree-case.ts'

const PEERS = [restic, borg, casync, rsync, tarZstd]
const STEPS = ['first', 'nothing', 'ten', 'restore']

function workloads({ quick }: BenchRun): TreeWorkload[] {
  const files = quick ? 10_000 : 100_000
  const largeBytes = quick ? 100 << 20 : 1 << 30
  return [
    {
      name: 'w1',
      make: (folder) => makeSmallFiles(folder, files),
      change: (folder, round) => changeTenFiles(folder, files, round),
    },
    {
      name: 'w2',
      make: (folder) => makeLargeFile(folder, largeBytes),
      change: (folder, round) => editTenPlaces(folder, largeBytes, round),
    },
    {
      name: 'w3',
      make: (folder) => makeRootLike(folder, quick ? 90e6 : 900e6),
      change: changeTenPackages,
    },
  ]
}

/** Directories, large files and many small commits, beside the tools that people use for them today. */
export const storage: Suite = {
  name: 'storage',
  cases: [
    ...['w1', 'w2', 'w3'].flatMap((workload) => STEPS.map((step) => `${workload}-${step}`)),
    'small-commit',
    'puts-per-commit',
    's3-commit',
    'churn',
    'memory',
    ...BTRFS_CASES,
  ],
  peers: PEERS,
  async run(bench) {
    for (const workload of workloads(bench)) await runTreeWorkload(bench, workload, PEERS)
    await runSmallCommits(bench)
    await runS3Commits(bench)
    await runChurn(bench)
    await runMemory(bench)
    await runBtrfsVolume(bench)
  },
}
