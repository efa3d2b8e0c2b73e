import { hash } from 'node:crypto'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { performance } from 'node:perf_hooks'
import type { PeerProgram } from './bench-run.ts'
import { median } from './measure.ts'

/** Where and with what a run was made: figures of different machines are not compared. */
export interface MachineFacts {
  readonly date: string
  readonly cores: number
  readonly cpu: string
  readonly memoryGb: number
  readonly kernel: string
  readonly node: string
  readonly sqlite: string
  readonly scratch: string
  readonly sha256GbPerS: number
  readonly loadBefore: number
  readonly loadAfter: number | null
  readonly note: string
  readonly peers: Readonly<Record<string, string>>
}

export interface FactsRequest {
  readonly date: string
  readonly scratch: string
  readonly peers: readonly PeerProgram[]
}

export async function machineFacts({ date, scratch, peers }: FactsRequest): Promise<MachineFacts> {
  const [load = 0] = loadavg()
  const versions = await Promise.all(
    peers.map(async ({ name, version }) => [name, (await version()) ?? 'absent'] as const),
  )
  return {
    date,
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    sqlite: process.versions.sqlite ?? 'unknown',
    scratch,
    sha256GbPerS: Number(sha256GbPerS().toFixed(2)),
    loadBefore: Number(load.toFixed(2)),
    loadAfter: null,
    note: load > 0.5 ? 'other work ran on the machine: compare CPU seconds and ratios, not wall seconds' : '',
    peers: Object.fromEntries(versions),
  }
}

const HASHED_BYTES = 1 << 20
const HASHES = 64

/** One core over buffers of 1 MiB, the median of three. */
function sha256GbPerS(): number {
  const bytes = Buffer.alloc(HASHED_BYTES, 1)
  const once = () => {
    const start = performance.now()
    for (let index = 0; index < HASHES; index++) hash('sha256', bytes)
    return (HASHES * HASHED_BYTES) / 1e6 / (performance.now() - start)
  }
  return median([once(), once(), once()])
}
