const HEADER_BYTES = 5
const FLAG_END = 2

/** A message of a Connect stream: flags, length, JSON. */
export function connectFrame(document: unknown, flags = 0): Uint8Array {
  const json = Buffer.from(JSON.stringify(document))
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt8(flags, 0)
  header.writeUInt32BE(json.length, 1)
  return Buffer.concat([header, json])
}

/** What ends a stream that met no error. */
export const END_FRAME = connectFrame({}, FLAG_END)

/** The one message of a request that is answered with a stream. */
export function parseConnectFrame(body: Uint8Array): unknown {
  return JSON.parse(Buffer.from(body.subarray(HEADER_BYTES)).toString('utf8'))
}
