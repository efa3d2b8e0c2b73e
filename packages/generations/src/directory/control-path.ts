import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { CONTROL_SOCKET } from './control-protocol.ts'

/** `sun_path` of unix(7) holds 108 bytes with the closing NUL. */
const SOCKET_PATH_BYTES_MAX = 107

/** A path of the control socket in `folder` that the kernel takes; valid until it is disposed of. */
export class ControlPath implements Disposable {
  readonly path: string
  readonly #fd: number | undefined

  /** Throws the error of Node (ENOENT) when there is no such folder. */
  constructor(folder: string) {
    const path = join(folder, CONTROL_SOCKET)
    const fits = Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX
    this.#fd = fits ? undefined : openSync(folder, 'r')
    this.path = this.#fd === undefined ? path : `/proc/self/fd/${this.#fd}/${CONTROL_SOCKET}`
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
  }
}
