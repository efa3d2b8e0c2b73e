import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BARS } from './bars.ts'
import type { MachineFacts } from './machine.ts'
import { type Row, ratioToPeer } from './rows.ts'

/** `node bench/render.ts` writes docs/performance.md from the results of the last full run of each suite. */
const RESULTS = join(import.meta.dirname, 'results')
const PAGE = join(import.meta.dirname, '../docs/performance.md')

interface Results {
  readonly suite: string
  readonly repeats: number
  readonly facts: MachineFacts
  readonly rows: readonly Row[]
}

function readResults(suite: string): Results[] {
  const path = join(RESULTS, `${suite}.json`)
  return existsSync(path) ? [JSON.parse(readFileSync(path, 'utf8'))] : []
}

function page(results: readonly Results[]): string {
  return `# Performance

Written by \`node bench/render.ts\` from \`bench/results\`; \`npm run bench -- SUITE\` measures again. Every tool runs in the
same run on the same machine, in turn. A bar was set on a machine that hashes several times faster than some: where one
is missed, compare with the tools beside it.

${results.map(section).join('\n')}`
}

function section({ suite, repeats, facts, rows }: Results): string {
  const peers = [...new Set(rows.flatMap((row) => Object.keys(row.peers)))]
  const head = ['case', 'metric', 'holdfast', 'bar', 'reached', ...peers]
  const lines = rows.map((row) => [
    row.case,
    row.metric,
    `**${row.value}**`,
    row.bar ?? '',
    row.ok === null ? '' : row.ok ? 'yes' : 'no',
    ...peers.map((peer) => peerCell(row, peer)),
  ])
  const versions = Object.entries(facts.peers).map(([name, version]) => `${name} (${version})`)
  return `## ${suite}

${facts.date}, ${facts.cores} cores ${facts.cpu}, ${facts.memoryGb} GB, SHA-256 at ${facts.sha256GbPerS} GB/s a core, Linux ${facts.kernel}, Node ${facts.node}, SQLite
${facts.sqlite}, ${facts.scratch}; load ${facts.loadBefore} before and ${facts.loadAfter} after; median of ${repeats}.${facts.note && ` ${facts.note}`}

Beside it: ${versions.join(', ')}. In brackets: how many times as much as that tool.

${table([head, head.map(() => '---'), ...lines])}
`
}

function peerCell(row: Row, peer: string): string {
  const ratio = ratioToPeer(row, peer)
  return ratio === undefined ? '' : `${row.peers[peer]} (${ratio.toFixed(2)})`
}

function table(lines: readonly (readonly (string | number)[])[]): string {
  return lines.map((cells) => `| ${cells.join(' | ').replaceAll('tar|zstd', 'tar, zstd')} |`).join('\n')
}

writeFileSync(PAGE, page(Object.keys(BARS).flatMap(readResults)))
