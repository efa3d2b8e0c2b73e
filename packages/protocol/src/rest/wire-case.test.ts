import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { WorkspaceId } from '../identifiers.ts'
import { camelName, type FromWire, fromWire, snakeName, toWire } from './wire-case.ts'

test('names turn to the other case at every depth, and what is the user’s own stays as it is', () => {
  const wire = { last_durable_at: 1, items: [{ is_new: true }], labels: { my_label: 'a_b' }, none: null }
  const shown = fromWire(wire)
  assert.deepEqual(shown, {
    lastDurableAt: 1,
    items: [{ isNew: true }],
    labels: { my_label: 'a_b' },
    none: null,
  })
  assert.equal(shown.items[0]?.isNew, true)
  assert.deepEqual(toWire(shown), wire)
})

test('every name of the wire comes back as it was', () => {
  const word = fc.stringMatching(/^[a-z][a-z0-9]{0,6}$/)
  const name = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join('_'))
  fc.assert(fc.property(name, (text) => snakeName(camelName(text)) === text))
})

test('an id is an id in either case', () => {
  const shown = (id: WorkspaceId): FromWire<{ workspace_id: WorkspaceId }> => fromWire({ workspace_id: id })
  const id = `ws_${'0'.repeat(26)}` as WorkspaceId
  const same: WorkspaceId = shown(id).workspaceId
  assert.equal(same, id)
})
