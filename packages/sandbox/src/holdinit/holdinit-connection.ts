import { timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, constants, openSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { basename, dirname } from 'node:path'
import type { Clock } from '@holdfast/base/clock'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import { FRAME, frameHeader, HEADER_BYTES, PayloadReader, PROTOCOL_VERSION, WORD_BYTES } from './frames.ts'

/** Between two looks whether the socket is there. */
const RETRY_MS = 2
const WELCOME_BYTES = HEADER_BYTES + 4 + WORD_BYTES + 8 + 8 + 4
/** What the kernel takes for the path of a socket. */
const SOCKET_PATH_BYTES_MAX = 107

export interface ConnectionRequest {
  readonly socketPath: string
  /** The 64 bytes that holdinit was started with. */
  readonly nonce: Uint8Array
  readonly clock: Clock
  /** How long it may take to be there and to prove itself. */
  readonly timeoutMs: number
}

export interface Welcome {
  readonly bootMs: number
  readonly deadlineBootMs: number
  readonly pid: number
}

/** A socket on which both sides have proven the nonce. Rejects with `sandbox-failed`. */
export async function openConnection(
  request: ConnectionRequest,
): Promise<{ socket: Socket; welcome: Welcome }> {
  const untilMs = request.clock.monotonicMs() + request.timeoutMs
  for (;;) {
    const socket = await connectOnce(request.socketPath)
    if (socket !== null) return { socket, welcome: await prove(socket, request) }
    if (request.clock.monotonicMs() >= untilMs) {
      throw new Failure('sandbox-failed', 'the first process of the sandbox does not answer')
    }
    await request.clock.sleep(RETRY_MS)
  }
}

/** null while nobody listens there yet. */
async function connectOnce(socketPath: string): Promise<Socket | null> {
  const isLong = Buffer.byteLength(socketPath) > SOCKET_PATH_BYTES_MAX
  let folder: number | null = null
  try {
    if (isLong) folder = openSync(dirname(socketPath), constants.O_RDONLY | constants.O_DIRECTORY)
    const path = folder === null ? socketPath : `/proc/self/fd/${folder}/${basename(socketPath)}`
    const socket = connect({ path, allowHalfOpen: false })
    await once(socket, 'connect')
    return socket
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ECONNREFUSED') return null
    throw new Failure('sandbox-failed', 'the first process of the sandbox cannot be reached', {}, error)
  } finally {
    if (folder !== null) closeSync(folder)
  }
}

async function prove(socket: Socket, request: ConnectionRequest): Promise<Welcome> {
  const payload = Buffer.alloc(4 + WORD_BYTES)
  payload.writeUInt32LE(PROTOCOL_VERSION, 0)
  payload.set(request.nonce.subarray(0, WORD_BYTES), 4)
  socket.write(Buffer.concat([frameHeader({ type: FRAME.hello, flags: 0, id: 0 }, payload.length), payload]))
  try {
    const bytes = await firstBytes(socket, request.timeoutMs)
    const welcome = new PayloadReader(bytes)
    const type = welcome.bytes(HEADER_BYTES).readUInt8(0)
    const version = welcome.u32()
    const word = welcome.bytes(WORD_BYTES)
    const isProven = timingSafeEqual(word, request.nonce.subarray(WORD_BYTES, 2 * WORD_BYTES))
    if (type !== FRAME.welcome || version !== PROTOCOL_VERSION || !isProven) {
      throw new Failure('sandbox-failed', 'who answers is not the first process of the sandbox')
    }
    return { bootMs: welcome.u64(), deadlineBootMs: welcome.u64(), pid: welcome.u32() }
  } catch (error) {
    socket.destroy()
    throw error
  }
}

/** The bytes of the welcome, and no more: what follows is left in the socket. */
function firstBytes(socket: Socket, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const refuse = () => settle(() => reject(new Failure('sandbox-failed', 'the nonce was not accepted')))
    const look = () => {
      const bytes: Buffer | null = socket.read(WELCOME_BYTES)
      if (bytes !== null) settle(() => resolve(bytes))
    }
    const settle = (act: () => void) => {
      socket.off('readable', look).off('close', refuse).off('error', refuse)
      socket.setTimeout(0).off('timeout', refuse)
      act()
    }
    socket.on('readable', look).once('close', refuse).once('error', refuse)
    socket.setTimeout(timeoutMs).once('timeout', refuse)
  })
}
