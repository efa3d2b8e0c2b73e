/**
 * A process that puts one object into a folder store and prints `stored`, or the code of its failure:
 * `node put-object-main.ts FOLDER KEY BYTES`. Made to be killed, and refused by its kernel, at any system call.
 */
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { openFolderObjectStore } from '@holdfast/generations/store/folder-object-store'
import { seededRandomness } from './seeded-numbers.ts'

const [, , folder = '', key = '', bytes = '0'] = process.argv

/** The bytes of the object, which whoever started this process knows too. */
const body = seededRandomness(Number(bytes)).bytes(Number(bytes))

try {
  await using store = await openFolderObjectStore(folder, {
    clock: systemClock,
    randomness: seededRandomness(1),
  })
  const half = body.length >> 1
  await store.put(key, [body.subarray(0, half), body.subarray(half)])
  console.log('stored')
} catch (error) {
  console.log(isFailure(error) ? error.code : String(error))
}
