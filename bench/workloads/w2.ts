import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { seededNumbers } from '@holdfast/testkit/seeded-numbers'
import { seededNoise, seededText } from './seeded-bytes.ts'

/** W2: one file of 1 GiB, half of it compressible in runs of 64 KiB. */
const LARGE_FILE = 'large.img'
const RUN_BYTES = 64 * 1024
const EDIT = 'edited in place'

export function makeLargeFile(folder: string, bytes: number): void {
  mkdirSync(folder, { recursive: true })
  const noise = seededNoise(2)
  const text = seededText(2)
  const fd = openSync(`${folder}/${LARGE_FILE}`, 'w')
  try {
    for (let at = 0; at < bytes; at += 2 * RUN_BYTES) {
      writeSync(fd, noise(RUN_BYTES))
      writeSync(fd, text(RUN_BYTES))
    }
  } finally {
    closeSync(fd)
  }
}

/** Overwrites 15 bytes at ten places that depend on `round`. */
export function editTenPlaces(folder: string, bytes: number, round: number): void {
  const next = seededNumbers(200 + round)
  const fd = openSync(`${folder}/${LARGE_FILE}`, 'r+')
  try {
    for (let index = 0; index < 10; index++) writeSync(fd, EDIT, Math.floor(next() * (bytes - EDIT.length)))
  } finally {
    closeSync(fd)
  }
}
