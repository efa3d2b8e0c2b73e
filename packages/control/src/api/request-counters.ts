import type { Route } from './route.ts'

/** Seconds; the last bucket takes the rest. */
const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

interface Histogram {
  readonly buckets: number[]
  sumS: number
  count: number
}

/** Requests by route and status, and how long they took, as Prometheus reads them. */
export class RequestCounters {
  readonly #requests = new Map<string, number>()
  readonly #durations = new Map<string, Histogram>()

  count({ method, path }: Route, status: number, tookMs: number): void {
    const label = `method="${method}",path="${path}"`
    const key = `${label},status="${status}"`
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1)
    const histogram = this.#durations.get(label) ?? { buckets: BUCKETS_S.map(() => 0), sumS: 0, count: 0 }
    this.#durations.set(label, histogram)
    const tookS = tookMs / 1000
    for (const [index, bucket] of BUCKETS_S.entries())
      if (tookS <= bucket) histogram.buckets[index] = (histogram.buckets[index] ?? 0) + 1
    histogram.sumS += tookS
    histogram.count++
  }

  lines(): string[] {
    return [
      '# TYPE holdfast_requests_total counter',
      ...[...this.#requests].map(([label, count]) => `holdfast_requests_total{${label}} ${count}`),
      '# TYPE holdfast_request_seconds histogram',
      ...[...this.#durations].flatMap(([label, { buckets, sumS, count }]) => [
        ...BUCKETS_S.map(
          (le, index) => `holdfast_request_seconds_bucket{${label},le="${le}"} ${buckets[index]}`,
        ),
        `holdfast_request_seconds_bucket{${label},le="+Inf"} ${count}`,
        `holdfast_request_seconds_sum{${label}} ${sumS}`,
        `holdfast_request_seconds_count{${label}} ${count}`,
      ]),
    ]
  }
}
