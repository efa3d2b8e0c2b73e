import { Failure, isFailure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import type { ObjectStore } from './object-store.ts'

/** What a store was seen to do beyond the port's promises. */
export interface Qualification {
  /** False for a store that overwrites an existing key and reports success: its keys must be random. */
  readonly refusesOverwrite: boolean
}

/** What a store that fails a step does. */
const FAULT_OF_STEP = {
  put: 'it does not create an object',
  get: 'it gives back other bytes than it was given',
  'get-range': 'it ignores ranges, or gives other bytes than a range asks for',
  'get-past-end': 'it gives less than a range asks for, and says nothing',
  head: 'it tells a wrong size',
  list: 'its listing lacks an object that was just created',
  'put-again': 'it does not take the same bytes twice',
  'put-other': 'it says that it has replaced an object, and has not',
  delete: 'it shows an object that was just deleted',
  'get-deleted': 'it gives an object that was just deleted',
} as const

export type QualificationStep = keyof typeof FAULT_OF_STEP

const probeBytes = 8192

interface Probe {
  readonly store: ObjectStore
  readonly key: string
  readonly bytes: Buffer
  readonly other: Buffer
}

/**
 * Shows with one small object below `qualification/`, removed afterwards, that the store keeps the promises of its
 * port. Rejects with `store-unsuitable`, whose details name the step; a store that is full, read-only, out of reach
 * or closed to us rejects with its own code.
 */
export async function qualifyObjectStore(store: ObjectStore, randomness: Randomness): Promise<Qualification> {
  const name = Buffer.from(randomness.bytes(16)).toString('hex')
  const bytes = Buffer.from(randomness.bytes(probeBytes))
  const other = Buffer.from(bytes.map((byte) => byte ^ 0xff))
  const probe = { store, key: `qualification/${name}`, bytes, other }
  try {
    await probeReading(probe)
    const refusesOverwrite = await probeOverwriting(probe)
    await probeDeleting(probe)
    return { refusesOverwrite }
  } catch (error) {
    await deleteQuietly(probe)
    throw error
  }
}

async function probeReading({ store, key, bytes }: Probe): Promise<void> {
  await during('put', async () => {
    await store.put(key, [bytes.subarray(0, 1), bytes.subarray(1)])
    return true
  })
  await during('get', async () => bytes.equals(await store.get(key)))
  for (const [offset, length] of [
    [0, 1],
    [1, probeBytes - 2],
    [probeBytes - 1, 1],
  ] as const) {
    const expected = bytes.subarray(offset, offset + length)
    await during('get-range', async () => expected.equals(await store.get(key, { offset, length })))
  }
  const pastEnd = { offset: probeBytes - 1, length: 2 }
  await during('get-past-end', () => rejects(store.get(key, pastEnd), 'object-corrupt'))
  await during('head', async () => (await store.head(key))?.bytes === probeBytes)
  await during('list', () => isListed(store, key))
}

/** True if the store refused to overwrite; false if it did overwrite and said so. */
async function probeOverwriting({ store, key, bytes, other }: Probe): Promise<boolean> {
  await during('put-again', async () => {
    await store.put(key, [bytes])
    return bytes.equals(await store.get(key))
  })
  let refused = false
  await during('put-other', async () => {
    refused = await rejects(store.put(key, [other]), 'already-exists')
    return (refused ? bytes : other).equals(await store.get(key))
  })
  return refused
}

async function probeDeleting({ store, key }: Probe): Promise<void> {
  await during('delete', async () => {
    await store.delete(key)
    const gone = (await store.head(key)) === undefined && !(await isListed(store, key))
    await store.delete(key)
    return gone
  })
  await during('get-deleted', () => rejects(store.get(key), 'object-missing'))
}

/** Runs one step; what it finds wrong, or broken, makes the store unsuitable. */
async function during(step: QualificationStep, holds: () => Promise<boolean>): Promise<void> {
  let cause: unknown
  try {
    if (await holds()) return
  } catch (error) {
    if (!isFailure(error) || (error.kind !== 'broken' && error.code !== 'already-exists')) throw error
    cause = error
  }
  throw new Failure(
    'store-unsuitable',
    `the object store cannot be trusted: ${FAULT_OF_STEP[step]}`,
    { step },
    cause,
  )
}

async function isListed(store: ObjectStore, key: string): Promise<boolean> {
  for await (const object of store.list(key)) {
    if (object.key === key && object.bytes === probeBytes) return true
  }
  return false
}

async function rejects(
  call: Promise<unknown>,
  code: 'already-exists' | 'object-corrupt' | 'object-missing',
): Promise<boolean> {
  try {
    await call
    return false
  } catch (error) {
    if (isFailure(error, code)) return true
    throw error
  }
}

async function deleteQuietly({ store, key }: Probe): Promise<void> {
  try {
    await store.delete(key)
  } catch {
    // The failure that ended the qualification says more.
  }
}
