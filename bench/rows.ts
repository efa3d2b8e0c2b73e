/** One figure of a run, printed as one line of JSON. */
export interface Row {
  readonly suite: string
  readonly case: string
  readonly metric: string
  readonly value: number
  readonly unit: string
  readonly better: 'lower' | 'higher'
  /** What the design asks for, in the same unit; null where it asks nothing. */
  readonly bar: number | null
  /** Whether this run, on this machine, reached the bar; null without one. */
  readonly ok: boolean | null
  /** The same metric of other tools, measured in the same run. */
  readonly peers: Readonly<Record<string, number>>
}

/** A figure before its bar is looked up. */
export interface Figure {
  readonly case: string
  readonly metric: string
  readonly value: number
  readonly peers?: Readonly<Record<string, number>>
}

const HIGHER_IS_BETTER = ['per_second', 'success', 'score', 'speed']

export function rowOf(suite: string, figure: Figure, bars: Readonly<Record<string, number>>): Row {
  const { case: name, metric, value, peers = {} } = figure
  const bar = bars[`${name} ${metric}`] ?? null
  const unit = unitOf(metric)
  const better = HIGHER_IS_BETTER.some((beginning) => metric.startsWith(beginning)) ? 'higher' : 'lower'
  const ok = bar === null ? null : better === 'lower' ? value <= bar : value >= bar
  return {
    suite,
    case: name,
    metric,
    value: rounded(value),
    unit,
    better,
    bar,
    ok,
    peers: roundedPeers(peers),
  }
}

/** Metrics end in their unit. */
function unitOf(metric: string): string {
  const end = metric.slice(metric.lastIndexOf('_') + 1)
  return (
    {
      s: 's',
      ms: 'ms',
      mb: 'MB',
      percent: '% of a core',
      pct: '%',
      ratio: '×',
      second: '/s',
      score: 'of 100',
    }[end] ?? end
  )
}

function roundedPeers(peers: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(peers).map(([name, value]) => [name, rounded(value)]))
}

function rounded(value: number): number {
  return Number(value.toPrecision(4))
}

/** Our figure as a multiple of a peer's; undefined where it has none. */
export function ratioToPeer(row: Row, peer: string): number | undefined {
  const value = row.peers[peer]
  return value === undefined || value <= 0 ? undefined : row.value / value
}
