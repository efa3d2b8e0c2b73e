const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

/** `1.2 MB`: decimal units, as disks and networks are sold. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${threeDigits(value, unit === 0)} ${BYTE_UNITS[unit] ?? 'B'}`
}

/** `35 ms`, `2.4 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`. */
export function formatDuration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return pair(seconds, [60, 'min'], 's')
  if (seconds < 86_400) return pair(Math.round(seconds / 60), [60, 'h'], 'min')
  return pair(Math.round(seconds / 3600), [24, 'd'], 'h')
}

/** `12,345`. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** `1 file`, `2 files`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : plural}`
}

/** `2026-11-21 03:35:12` in the local time zone. */
export function formatInstant(wallMs: number): string {
  const at = new Date(wallMs)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

/** The instant for a program: ISO 8601 in UTC with milliseconds. */
export function isoInstant(wallMs: number): string {
  return new Date(wallMs).toISOString()
}

/** The first letters of an id: enough to name a generation by. */
export function shortId(id: string): string {
  return id.slice(0, 12)
}

function threeDigits(value: number, whole: boolean): string {
  if (whole || value >= 99.95) return String(Math.round(value))
  return value.toFixed(value >= 9.995 ? 1 : 2).replace(/\.?0+$/, '')
}

function pair(amount: number, [size, large]: readonly [number, string], small: string): string {
  const rest = amount % size
  const head = `${Math.floor(amount / size)} ${large}`
  return rest === 0 ? head : `${head} ${rest} ${small}`
}
