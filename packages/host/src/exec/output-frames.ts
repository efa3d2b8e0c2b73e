import type { SandboxExec } from '@holdfast/sandbox/runtime'

export type OutputStream = SandboxExecOutput['stream']
type SandboxExecOutput = SandboxExec['output'] extends AsyncIterable<infer Piece> ? Piece : never

/** A piece of output as the ring holds it. */
export interface OutputPiece {
  readonly sequence: number
  readonly stream: OutputStream
  /** Milliseconds since 1970. */
  readonly at: number
  readonly bytes: Uint8Array
}

/*
 * A segment is a file of pieces in the order of their sequence; its name is the sequence of the first one.
 *
 *     piece := u32 length of bytes, u8 stream, f64 at, bytes          (little-endian)
 */
const HEADER_BYTES = 13
const STREAMS: readonly OutputStream[] = ['stdout', 'stderr', 'terminal']

export function encodePieces(pieces: readonly OutputPiece[]): Buffer {
  const parts: Uint8Array[] = []
  for (const { stream, at, bytes } of pieces) {
    const header = Buffer.alloc(HEADER_BYTES)
    header.writeUInt32LE(bytes.length, 0)
    header.writeUInt8(STREAMS.indexOf(stream), 4)
    header.writeDoubleLE(at, 5)
    parts.push(header, bytes)
  }
  return Buffer.concat(parts)
}

/** The whole pieces of a segment; what a crash cut off is left out. */
export function decodePieces(segment: Buffer, firstSequence: number): OutputPiece[] {
  const pieces: OutputPiece[] = []
  for (let offset = 0; offset + HEADER_BYTES <= segment.length; ) {
    const start = offset + HEADER_BYTES
    const end = start + segment.readUInt32LE(offset)
    const stream = STREAMS[segment.readUInt8(offset + 4)]
    if (end > segment.length || stream === undefined) break
    const at = segment.readDoubleLE(offset + 5)
    pieces.push({ sequence: firstSequence + pieces.length, stream, at, bytes: segment.subarray(start, end) })
    offset = end
  }
  return pieces
}
