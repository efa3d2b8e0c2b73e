import { createCipheriv } from 'node:crypto'

/** Bytes that no compression shrinks and no other seed shares, the same for the same seed. */
export function noise(seed: number, bytes: number): Buffer {
  const key = Buffer.alloc(32)
  key.writeUInt32LE(seed)
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes))
}
