import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import fc from 'fast-check'
import { createDurableFile, dropBytes, inlineBytesMax, syncFolder } from './durable-file.ts'

test('what a short write leaves is exactly the rest, without parts that are finished', () => {
  const parts = fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 9 })
  fc.assert(
    fc.property(parts, fc.nat(), (all, cut) => {
      const whole = Buffer.concat(all)
      const count = cut % (whole.length + 1)
      const left = dropBytes(all, count)
      assert.ok(Buffer.concat(left).equals(whole.subarray(count)))
      assert.ok(count === 0 || left.every((part) => part.length > 0 || whole.length > count))
    }),
  )
})

test('a file of any size and number of parts holds them in order, for its owner to read', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-durable-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const [index, bytes] of [0, 1, inlineBytesMax, inlineBytesMax + 1].entries()) {
    const whole = Buffer.alloc(bytes, `${index} and so on`)
    const step = Math.max(1, Math.ceil(bytes / 1_500))
    const parts = Array.from({ length: 1_500 }, (_, part) => whole.subarray(part * step, (part + 1) * step))
    const path = join(folder, String(index))
    await createDurableFile(path, parts)
    assert.ok(readFileSync(path).equals(whole))
    assert.equal(statSync(path).mode & 0o777, 0o400)
    await assert.rejects(createDurableFile(path, parts), (error) => isFailure(error, 'store-unavailable'))
  }
  await syncFolder(folder)
  await assert.rejects(syncFolder(join(folder, '0')), (error) => isFailure(error, 'foreign-format'))
})
