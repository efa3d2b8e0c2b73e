import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { encodeRequest, PayloadWriter } from './frames.ts'
import { OPERATION, writeAttributes } from './operations.ts'

const BUILD = fileURLToPath(new URL('../../native/build.sh', import.meta.url))
const BINARY = fileURLToPath(new URL('../../../../build/holdfs', import.meta.url))
const SEED = 20_260_302
const RUN_MS_MAX = 5000
/** Changed requests may name anything: they are carried out as nobody, and none of them stops a process. */
const NOBODY = 65_534
console.log(`companion.fuzz seed ${SEED}`)

describe('the companion under hostile input', () => {
  let home: string
  let binary: string

  before(() => {
    execFileSync('sh', [BUILD])
    home = mkdtempSync(join(tmpdir(), 'holdfs-fuzz-'))
    chmodSync(home, 0o755)
    binary = join(home, 'holdfs')
    copyFileSync(BINARY, binary)
    mkdirSync(join(home, 'd'))
    chmodSync(join(home, 'd'), 0o777)
    writeFileSync(join(home, 'd/f'), 'x')
  })

  after(() => {
    rmSync(home, { recursive: true, force: true })
  })

  /** It ends with the input, or by its own decision; never by a signal, never late. */
  function survives(input: Buffer): void {
    const result = spawnSync(binary, [], { input, timeout: RUN_MS_MAX, uid: NOBODY, gid: NOBODY, cwd: '/' })
    assert.equal(result.signal, null)
    assert.ok(result.status === 0 || result.status === 2, `status ${result.status}`)
  }

  function payloads(): [number, Buffer][] {
    const path = `${home}/d`
    const xattrs = [{ name: 'user.a', value: 'v' }]
    const attributes = new PayloadWriter()
    writeAttributes(attributes, [
      { directory: path, entries: [{ name: 'f', mode: 0o600, mtimeNs: 5n, xattrs }] },
    ])
    const directory = () => new PayloadWriter().path(path)
    return [
      [OPERATION.syncfs, directory().finish()],
      [OPERATION.readXattrs, directory().strings(['f', '.', 'none']).finish()],
      [OPERATION.dataRanges, new PayloadWriter().path(`${path}/f`).finish()],
      [OPERATION.applyAttributes, attributes.finish()],
      [OPERATION.subvolumeCreate, directory().string('sub').finish()],
      [OPERATION.subvolumeSnapshot, directory().path(path).string('sub').u8(1).finish()],
      [OPERATION.isSubvolumeRoot, directory().finish()],
      [OPERATION.subvolumeState, directory().finish()],
      [OPERATION.sendNoData, directory().string('').finish()],
      [OPERATION.exchange, directory().string('a').string('b').finish()],
      [OPERATION.reflink, new PayloadWriter().path(`${path}/f`).path(`${path}/g`).finish()],
      [OPERATION.listDirectories, new PayloadWriter().u32(2).path(path).path('/none').finish()],
      [OPERATION.quotaLimit, directory().i64(1n).finish()],
      [OPERATION.quotaUsed, directory().finish()],
      [OPERATION.mountSubvolume, new PayloadWriter().path('/none').path('/sub').path(path).finish()],
      [OPERATION.unmount, new PayloadWriter().path(`${path}/none`).u8(0).finish()],
    ]
  }

  test('a changed request is answered or refused, whatever was changed', () => {
    const cases = payloads()
    const change = fc.record({ at: fc.nat(10_000), value: fc.nat(255) })
    fc.assert(
      fc.property(
        fc.nat(cases.length - 1),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        (index, changes) => {
          const [operation, payload] = cases[index] ?? [0, Buffer.alloc(0)]
          const changed = Buffer.from(payload)
          for (const { at, value } of changes) changed[at % changed.length] = value
          survives(encodeRequest(1, operation, changed))
        },
      ),
      { seed: SEED, numRuns: 800 },
    )
  })

  test('a shortened request is refused', () => {
    for (const [operation, payload] of payloads())
      for (let length = 0; length < payload.length; length += 5)
        survives(encodeRequest(1, operation, payload.subarray(0, length)))
  })

  test('random bytes end the companion by its own decision', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const frame = Buffer.from(bytes)
        if (frame.length > 8) frame[8] = 0
        survives(frame)
      }),
      { seed: SEED, numRuns: 200 },
    )
  })
})
