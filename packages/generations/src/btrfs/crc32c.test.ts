import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { crc32cRegister } from './crc32c.ts'

function rfcChecksum(bytes: Buffer): number {
  return ~crc32cRegister(-1, bytes) >>> 0
}

test('the checksum equals the published vectors of RFC 3720, appendix B.4', () => {
  assert.equal(rfcChecksum(Buffer.alloc(32)), 0x8a9136aa)
  assert.equal(rfcChecksum(Buffer.alloc(32, 0xff)), 0x62a8ab43)
  assert.equal(rfcChecksum(Buffer.from(Array.from({ length: 32 }, (_, at) => at))), 0x46dd794e)
  assert.equal(rfcChecksum(Buffer.from('123456789')), 0xe3069283)
})

test('four bytes a step give what one bit a step gives, whole or in two parts', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), fc.nat(70), fc.integer(), (array, cut, seed) => {
      const bytes = Buffer.from(array)
      const middle = Math.min(cut, bytes.length)
      const whole = crc32cRegister(seed, bytes)
      assert.equal(whole, bitByBit(seed, bytes))
      assert.equal(crc32cRegister(crc32cRegister(seed, bytes, 0, middle), bytes, middle), whole)
    }),
  )
})

function bitByBit(seed: number, bytes: Buffer): number {
  let register = seed | 0
  for (const byte of bytes) {
    register ^= byte
    for (let bit = 0; bit < 8; bit++) register = (register >>> 1) ^ (register & 1 ? 0x82f63b78 : 0)
  }
  return register | 0
}
