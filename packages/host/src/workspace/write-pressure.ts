import type { WritePressure } from '@holdfast/protocol/host-calls'

export interface PressureBounds {
  /** More than this written and not yet durable slows the writers down. */
  readonly unsyncedBytesMax: number
  /** A disk with less free slows all writers on it down; one below 20 of these, already at a twentieth. */
  readonly diskFreeBytesMin: number
}

export const PRESSURE_BOUNDS: PressureBounds = {
  unsyncedBytesMax: 1024 ** 3,
  diskFreeBytesMin: 1024 ** 3,
}

const SMALL_DISK_SHARE = 1 / 20

export interface PressureReading {
  readonly unsyncedBytes: number
  /** Of each file system below the volume: its own, and that which holds its image. */
  readonly disks: readonly { readonly freeBytes: number; readonly bytes: number }[]
}

/** Which bound is passed; the disk's counts first, since it is everybody's. Pure. */
export function judgePressure(
  { unsyncedBytes, disks }: PressureReading,
  bounds: PressureBounds,
): WritePressure {
  const isShort = disks.some(
    ({ freeBytes, bytes }) => freeBytes < Math.min(bounds.diskFreeBytesMin, bytes * SMALL_DISK_SHARE),
  )
  if (isShort) return 'disk'
  return unsyncedBytes > bounds.unsyncedBytesMax ? 'unsynced' : 'none'
}

/** The share of the time in which the writers stand still. */
export const FROZEN_SHARE: Readonly<Record<WritePressure, number>> = { none: 0, unsynced: 0.5, disk: 0.9 }
