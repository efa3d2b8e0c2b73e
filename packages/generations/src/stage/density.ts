/** Bytes looked at to tell text from what is compressed or encrypted already. */
const SAMPLE_BYTES = 512
/** Of 512 random bytes about 221 values differ; source code stays below 100, machine code below 180. */
const DENSE_VALUES_MIN = 196

/** True if the bytes look incompressible; a wrong guess costs space or time, never correctness. */
export function looksDense(bytes: Uint8Array): boolean {
  if (bytes.length < SAMPLE_BYTES) return false
  const seen = new Uint8Array(256)
  const start = (bytes.length - SAMPLE_BYTES) >>> 1
  let values = 0
  for (let index = start; index < start + SAMPLE_BYTES; index++) {
    const byte = bytes[index] ?? 0
    values += 1 - (seen[byte] ?? 0)
    seen[byte] = 1
  }
  return values >= DENSE_VALUES_MIN
}
