import { connect, type Socket } from 'node:net'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import { ControlPath } from './control-path.ts'
import {
  type ControlAnswers,
  type ControlRequest,
  LineSplitter,
  parseControlAnswer,
} from './control-protocol.ts'

/**
 * Asks the watch of a directory, whose folder in the home this is. Rejects with `not-found` when no watch runs, with the
 * failure that the watch tells, and with `outcome-unknown` when it ends before it has answered.
 */
export async function callWatcher<R extends ControlRequest>(
  folder: string,
  request: R,
): Promise<ControlAnswers[R['request']]> {
  const line = await exchange(folder, `${JSON.stringify(request)}\n`)
  return parseControlAnswer<R['request']>(request.request, line)
}

async function exchange(folder: string, line: string): Promise<string> {
  using path = openPath(folder)
  const socket = connect(path.path)
  try {
    return await firstLine(socket, line)
  } finally {
    socket.destroy()
  }
}

function openPath(folder: string): ControlPath {
  try {
    return new ControlPath(folder)
  } catch (error) {
    throw absent(folder, error)
  }
}

function firstLine(socket: Socket, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const splitter = new LineSplitter()
    let isConnected = false
    socket.on('connect', () => {
      isConnected = true
      socket.write(line)
    })
    socket.on('data', (bytes) => {
      try {
        const [first] = splitter.push(bytes)
        if (first !== undefined) resolve(first)
      } catch (error) {
        reject(error)
      }
    })
    socket.on('error', (error) => reject(isConnected ? cutOff(error) : absent('', error)))
    socket.on('close', () => reject(cutOff(undefined)))
  })
}

function absent(folder: string, error: unknown): Failure {
  const errno = errnoOf(error) ?? 'unknown'
  if (errno === 'EACCES' || errno === 'EPERM')
    return new Failure('no-permission', 'the watcher belongs to another user', { folder, errno }, error)
  return new Failure('not-found', 'no watcher runs for this directory', { folder, errno }, error)
}

function cutOff(error: unknown): Failure {
  return new Failure('outcome-unknown', 'the watcher ended before it answered', {}, error)
}
