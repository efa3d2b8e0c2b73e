import { type Cipheriv, createCipheriv } from 'node:crypto'
import { seededNumbers } from '@holdfast/testkit/seeded-numbers'

/** Bytes that no compressor shortens: the key stream of AES-128-CTR, the same for the same seed. */
export function seededNoise(seed: number): (bytes: number) => Buffer {
  const key = Buffer.alloc(16)
  key.writeUInt32BE(seed)
  const cipher: Cipheriv = createCipheriv('aes-128-ctr', key, Buffer.alloc(16))
  return (bytes) => cipher.update(Buffer.alloc(bytes))
}

const LINES = 4096
const WORDS = 1500

/** Text that compresses about fivefold, as source code does; the same for the same seed. */
export function seededText(seed: number): (bytes: number) => Buffer {
  const next = seededNumbers(seed)
  const pick = (count: number) => Math.floor(next() * count)
  const words = Array.from({ length: WORDS }, () =>
    next()
      .toString(36)
      .slice(2, 4 + pick(8)),
  )
  const word = () => words[pick(WORDS)] ?? ''
  const lines = Array.from(
    { length: LINES },
    () => `${' '.repeat(2 * pick(4))}const ${word()} = ${word()}(${word()}, ${word()}.${word()})\n`,
  )
  return (bytes) => {
    const parts: string[] = []
    for (let length = 0; length < bytes; ) {
      const line =
        next() < 0.7 ? (lines[pick(LINES)] ?? '') : `// ${word()} ${word()} ${next().toString(36)}\n`
      parts.push(line)
      length += line.length
    }
    return Buffer.from(parts.join(''), 'latin1').subarray(0, bytes)
  }
}
