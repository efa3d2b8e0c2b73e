/**
 * What the design asks for, by suite, then by case and metric. The bars were set on two cores of an EPYC with SHA-NI:
 * a machine that hashes slower misses some of them for that reason alone, which the facts beside the rows show.
 */
export const BARS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  storage: {
    'w1-first wall_s': 2.0,
    'w1-first cpu_s': 3,
    'w1-nothing wall_s': 0.15,
    'w1-ten wall_s': 0.25,
    'w1-ten new_mb': 0.2,
    'w1-nothing-btrfs wall_s': 0.01,
    'w1-ten-btrfs wall_s': 0.05,
    'w1-restore wall_s': 2.0,
    'w2-first wall_s': 3.0,
    'w2-ten wall_s': 1.0,
    'w2-ten new_mb': 1.6,
    'w2-restore wall_s': 1.2,
    'w3-first wall_s': 2.5,
    'w3-nothing wall_s': 0.08,
    'w3-restore wall_s': 1.6,
    'small-commit p50_ms': 30,
    'small-commit p99_ms': 150,
    'puts-per-commit puts': 1.1,
    's3-commit p50_ms': 80,
    's3-commit puts': 1.1,
    'churn restore_ratio': 1.5,
    'churn gets': 200,
    'churn stored_live_ratio': 1.5,
    'freeze p95_ms': 10,
    'slowdown lost_pct': 2,
    'checkpoint wall_ms': 20,
    'fork wall_ms': 50,
    'rollback wall_ms': 50,
  },
  sqlite: {
    'lag-1s p99_ms': 1200,
    'lag-1s cpu_percent': 4,
    'lag-100ms p99_ms': 250,
    'restore-1g wall_s': 1.8,
    'idle cpu_percent': 0.2,
  },
}
