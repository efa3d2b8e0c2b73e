import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { assertSound, TracedGround } from '@holdfast/testkit/traced-ground'
import { storeCalls } from '@holdfast/testkit/traced-put'

const ground = new TracedGround()
after(() => ground[Symbol.dispose]())

const steps = storeCalls.filter((call) => call !== 'openat' && call !== 'close')

for (const start of ['absent', 'empty', 'present'] as const) {
  test(`a process killed at any step leaves the object absent or whole, and a store that opens (${start})`, async () => {
    const injections = await ground.everyCall(start, steps, 'signal=SIGKILL')
    assert.ok(injections.length >= 7)
    await ground.underEach(start, injections, async (put, outcome, injection) => {
      assert.equal(outcome, '', JSON.stringify(injection))
      await assertSound(put, outcome)
    })
  })
}
