/** The buffers that hold one part and nothing else: a message to another thread moves these and copies the rest. */
export function ownedBuffers(parts: readonly Uint8Array[]): ArrayBuffer[] {
  const owned: ArrayBuffer[] = []
  for (const { buffer, byteLength } of parts) {
    if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength && byteLength > 0)
      owned.push(buffer)
  }
  return owned
}
