import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { counted, formatBytes, formatCount, formatDuration, formatInstant, isoInstant } from './quantities.ts'

test('sizes have three digits at most and a unit', () => {
  const cases: readonly [number, string][] = [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1 kB'],
    [1234, '1.23 kB'],
    [1_200_000, '1.2 MB'],
    [999_600, '1 MB'],
    [12_345_678_901, '12.3 GB'],
    [123_456_789_012_345, '123 TB'],
    [8 * 2 ** 50, '9.01 PB'],
  ]
  for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text)
})

test('a larger size never reads as a smaller one', () => {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  const value = (bytes: number) => {
    const [number, unit = ''] = formatBytes(bytes).split(' ')
    return Number(number) * 1000 ** units.indexOf(unit)
  }
  const size = fc.integer({ min: 0, max: 2 ** 52 })
  fc.assert(fc.property(size, size, (a, b) => a > b || value(a) <= value(b) * (1 + 1e-9)))
})

test('durations have the unit that a person would choose', () => {
  const cases: readonly [number, string][] = [
    [0.04, '0.0 ms'],
    [9.87, '9.9 ms'],
    [35.4, '35 ms'],
    [999.7, '1.0 s'],
    [2400, '2.4 s'],
    [59_990, '1 min'],
    [185_000, '3 min 5 s'],
    [7_800_000, '2 h 10 min'],
    [100 * 3_600_000, '4 d 4 h'],
  ]
  for (const [ms, text] of cases) assert.equal(formatDuration(ms), text)
})

test('counts are grouped, and name what is counted', () => {
  assert.equal(formatCount(1234567), '1,234,567')
  assert.equal(formatCount(123), '123')
  assert.equal(counted(1, 'file'), '1 file')
  assert.equal(counted(2000, 'file'), '2,000 files')
})

test('an instant is local for people and UTC for programs', () => {
  const at = new Date(2026, 10, 21, 3, 5, 9).getTime()
  assert.equal(formatInstant(at), '2026-11-21 03:05:09')
  assert.equal(isoInstant(0), '1970-01-01T00:00:00.000Z')
})
