import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assert as assertThat, present, unreachable } from './assert.ts'
import { systemClock } from './clock.ts'
import { newIdentifier } from './identifier.ts'
import { systemRandomness } from './randomness.ts'

describe('an assertion', () => {
  test('passes what holds and stops what does not', () => {
    assertThat(1, 'holds')
    assert.throws(() => assertThat(0, 'the reason'), /the reason/)
    assert.equal(present('', 'a text'), '')
    assert.equal(present(0, 'a number'), 0)
    assert.throws(() => present(undefined, 'the port'), /the port is absent/)
    assert.throws(() => present(null, 'the port'), /the port is absent/)
    assert.throws(() => unreachable('x' as never), /unreachable: x/)
  })
})

describe('the clock', () => {
  test('sleeps as long as it was told, and less when it is woken', async () => {
    const before = systemClock.monotonicMs()
    await systemClock.sleep(20)
    assert.ok(systemClock.monotonicMs() - before >= 19)
    const waker = new AbortController()
    const sleeping = systemClock.sleep(60_000, waker.signal)
    waker.abort()
    await assert.rejects(sleeping, { name: 'AbortError' })
    assert.ok(systemClock.monotonicMs() - before < 30_000)
  })

  test('tells milliseconds since 1970 and milliseconds that only grow', () => {
    assert.ok(systemClock.wallMs() > Date.UTC(2024, 0))
    const first = systemClock.monotonicMs()
    assert.ok(systemClock.monotonicMs() >= first)
  })
})

describe('an identifier', () => {
  test('is its prefix and 26 letters that no other identifier shares', () => {
    const made = new Set(Array.from({ length: 1000 }, () => newIdentifier('ws', systemRandomness)))
    assert.equal(made.size, 1000)
    for (const id of made) assert.match(id, /^ws_[0-9a-hjkmnp-tv-z]{26}$/)
  })

  test('is made of the bytes that it is given', () => {
    const bytes = (count: number) => Uint8Array.from({ length: count }, (_, index) => index + 32)
    assert.equal(newIdentifier('x', { bytes }), 'x_0123456789abcdefghjkmnpqrs')
    assert.equal(systemRandomness.bytes(7).length, 7)
  })
})
