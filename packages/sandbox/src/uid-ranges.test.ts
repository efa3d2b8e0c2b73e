import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { UidRanges } from './uid-ranges.ts'

test('live sandboxes never share a range, one that is freed or whose folder is gone may be taken again', (t) => {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-uids-'))
  t.after(() => rmSync(home, { recursive: true }))
  const folderOf = (name: string) => {
    mkdirSync(join(home, name))
    return join(home, name)
  }
  const [one, other] = [new UidRanges(join(home, 'ranges')), new UidRanges(join(home, 'ranges'))]
  const first = one.take(folderOf('a'))
  const second = other.take(folderOf('b'))
  const third = one.take(folderOf('c'))
  assert.equal(new Set([first, second, third]).size, 3)
  for (const uid of [first, second, third]) assert.ok(uid >= 200_000 && (uid - 200_000) % 65_536 === 0)
  one.free(second)
  assert.equal(other.take(folderOf('d')), second)
  rmSync(join(home, 'a'), { recursive: true })
  const later = [one.take(folderOf('e')), one.take(folderOf('f'))]
  assert.ok(later.includes(first), 'the range of the folder that is gone')
  assert.ok(!later.includes(second) && !later.includes(third))
})
