import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgePressure, type PressureReading } from './write-pressure.ts'

const GIB = 1024 ** 3
const BOUNDS = { unsyncedBytesMax: GIB, diskFreeBytesMin: GIB }

const CASES: readonly [PressureReading, string][] = [
  [{ unsyncedBytes: GIB, disks: [{ freeBytes: 50 * GIB, bytes: 100 * GIB }] }, 'none'],
  [{ unsyncedBytes: GIB + 1, disks: [{ freeBytes: 50 * GIB, bytes: 100 * GIB }] }, 'unsynced'],
  [{ unsyncedBytes: 0, disks: [{ freeBytes: GIB - 1, bytes: 100 * GIB }] }, 'disk'],
  [{ unsyncedBytes: 2 * GIB, disks: [{ freeBytes: GIB - 1, bytes: 100 * GIB }] }, 'disk'],
  [{ unsyncedBytes: 0, disks: [{ freeBytes: GIB / 2, bytes: 4 * GIB }] }, 'none'],
  [{ unsyncedBytes: 0, disks: [{ freeBytes: GIB / 8, bytes: 4 * GIB }] }, 'disk'],
  [
    {
      unsyncedBytes: 0,
      disks: [
        { freeBytes: 50 * GIB, bytes: 100 * GIB },
        { freeBytes: 0, bytes: GIB },
      ],
    },
    'disk',
  ],
]

test('the bound that is passed is named, and the disk of all counts before what one has written', () => {
  for (const [reading, pressure] of CASES) assert.equal(judgePressure(reading, BOUNDS), pressure)
})
