import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isFailure } from '@holdfast/base/failure'
import { seededNumbers } from '@holdfast/testkit/seeded-numbers'
import { fromText, toFsPath } from '../format/byte-string.ts'
import { Holdfs } from './holdfs.ts'

const BUILD = fileURLToPath(new URL('../../native/build.sh', import.meta.url))
const SEED = 20_261_121

describe('holdfs lists directories', () => {
  let holdfs: Holdfs
  let home: string

  before(async () => {
    execFileSync('sh', [BUILD])
    home = mkdtempSync(join(tmpdir(), 'holdfs-listings-'))
    holdfs = await Holdfs.start()
  })

  after(async () => {
    await holdfs[Symbol.asyncDispose]()
    rmSync(home, { recursive: true, force: true })
  })

  async function list(path: string) {
    const [listing] = await holdfs.listDirectories([fromText(path)])
    assert.ok(listing && !('errno' in listing), `${path} is listed`)
    return {
      stats: Buffer.from(listing.stats),
      names: Buffer.from(listing.names).toString('latin1').split('/'),
      subdirectories: listing.subdirectories,
    }
  }

  test('the stat fields are the very numbers that Node gives, for any time', async () => {
    console.log(`holdfs-listings seed ${SEED}`)
    const next = seededNumbers(SEED)
    const directory = join(home, 'times')
    mkdirSync(directory)
    const names = Array.from({ length: 400 }, (_, index) => `file ${index}`)
    const entries = names.map((name, index) => {
      writeFileSync(join(directory, name), 'x'.repeat(index))
      return {
        name,
        mtimeNs: BigInt(Math.floor((next() - 0.3) * 2 ** 33)) * 1_000_000_000n + nanoseconds(next),
      }
    })
    assert.deepEqual(await holdfs.applyAttributes([{ directory: fromText(directory), entries }]), [])
    const listed = await list(directory)
    assert.deepEqual(listed.names, names.toSorted())
    const expected = listed.names.flatMap((name) => {
      const { ino, size, mtimeMs, ctimeMs } = lstatSync(join(directory, name))
      return [ino, size, mtimeMs, ctimeMs]
    })
    assert.deepEqual(listed.stats, Buffer.from(Float64Array.from(expected).buffer))
  })

  test('names come in the order of their bytes, links are not followed, directories are told', async () => {
    const directory = join(home, 'kinds')
    mkdirSync(directory)
    for (const name of ['b', 'a.b', 'a', '\xff\xfe', 'a-b', '.hidden', '\xc3\xa4'])
      writeFileSync(toFsPath(`${fromText(directory)}/${name}`), name)
    mkdirSync(join(directory, 'sub'))
    mkdirSync(toFsPath(`${fromText(directory)}/\xfd`))
    symlinkSync('sub', join(directory, 'link'))
    symlinkSync('nowhere', join(directory, 'dangling'))
    execFileSync('mkfifo', [join(directory, 'fifo')])
    const listed = await list(directory)
    assert.deepEqual(listed.names, readdirSync(directory, 'latin1').sort())
    assert.deepEqual(listed.subdirectories, ['sub', '\xfd'])
    assert.equal(listed.stats.length, 32 * listed.names.length)
  })

  test('an empty directory has no names, and one that cannot be listed says why beside those that can', async () => {
    mkdirSync(join(home, 'empty'))
    writeFileSync(join(home, 'plain'), '')
    const paths = ['empty', 'none', 'plain', 'empty'].map((name) => fromText(join(home, name)))
    const empty = { stats: Buffer.alloc(0), names: Buffer.alloc(0), subdirectories: [] }
    const listings = await holdfs.listDirectories(paths)
    assert.deepEqual(listings, [empty, { errno: 'ENOENT' }, { errno: 'ENOTDIR' }, empty])
  })

  test('more than a few megabytes are answered in part, and in the end in whole', async () => {
    const directory = join(home, 'many')
    mkdirSync(directory)
    const long = 'n'.repeat(240)
    for (let index = 0; index < 2000; index++) writeFileSync(join(directory, `${long}${index}`), '')
    const asked: string[] = new Array(32).fill(fromText(directory))
    let told = 0
    let requests = 0
    for (; told < asked.length; requests++) told += (await holdfs.listDirectories(asked.slice(told))).length
    assert.equal(told, asked.length)
    assert.ok(requests > 1, 'one answer would be 16 MB')
    await assert.rejects(holdfs.listDirectories(['relative']), (error) =>
      isFailure(error, 'invalid-argument'),
    )
  })
})

function nanoseconds(next: () => number): bigint {
  return BigInt(Math.floor(next() * 1_000_000_000))
}
