import { once } from 'node:events'
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { ControlPath } from './control-path.ts'
import {
  type ControlRequest,
  encodeControlAnswer,
  encodeControlFailure,
  LineSplitter,
  parseControlRequest,
} from './control-protocol.ts'
import type { CommitAnswer } from './watch-requests.ts'
import type { WatchStatus } from './watch-status.ts'

/** What a control socket controls. */
export interface Controlled {
  sync(): Promise<CommitAnswer>
  checkpoint(message: string): Promise<CommitAnswer>
  status(): WatchStatus
  stop(): void
}

const CONNECTIONS_MAX = 64
/** Requests of one connection that have no answer yet; a client with more is cut off. */
const UNANSWERED_MAX = 64

/** Answers on a directory's control socket. Whoever may enter the directory's folder, which is its owner, may ask. */
export class ControlServer implements AsyncDisposable {
  readonly #server: Server
  readonly #path: ControlPath
  readonly #connections = new Set<Socket>()
  #controlled: Controlled | undefined
  readonly #waiting: (() => void)[] = []
  /** Answers under way. */
  readonly #answers = new Set<Promise<void>>()

  private constructor(path: ControlPath) {
    this.#path = path
    this.#server = createServer((socket) => this.#accept(socket))
    this.#server.maxConnections = CONNECTIONS_MAX
  }

  /** Listens at once and answers from `serve` on. Call with the writer lock: a socket file that is there is a dead one. */
  static async listen(folder: string): Promise<ControlServer> {
    const path = new ControlPath(folder)
    const server = new ControlServer(path)
    rmSync(path.path, { force: true })
    server.#server.listen(path.path)
    await once(server.#server, 'listening')
    chmodSync(path.path, 0o600)
    return server
  }

  serve(controlled: Controlled): void {
    this.#controlled = controlled
    for (const proceed of this.#waiting.splice(0)) proceed()
  }

  /** Call when nothing is carried out any more: sends the last answers and closes; the socket file goes with it. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const proceed of this.#waiting.splice(0)) proceed()
    await Promise.all(this.#answers)
    for (const socket of this.#connections) socket.destroySoon()
    await closed
    this.#path[Symbol.dispose]()
  }

  #accept(socket: Socket): void {
    this.#connections.add(socket)
    socket.on('close', () => this.#connections.delete(socket))
    socket.on('error', () => {}) // a client that has gone is told nothing
    const splitter = new LineSplitter()
    let last: Promise<void> = Promise.resolve()
    let unanswered = 0
    const answer = (line: string) => {
      if (++unanswered > UNANSWERED_MAX) return socket.destroySoon()
      const text = this.#answer(line)
      const sent = last.then(async () => {
        socket.write(await text)
        unanswered--
        this.#answers.delete(sent)
      })
      this.#answers.add(sent)
      last = sent
    }
    socket.on('data', (bytes) => {
      try {
        for (const line of splitter.push(bytes)) answer(line)
      } catch (error) {
        socket.end(encodeControlFailure(error))
      }
    })
  }

  async #answer(line: string): Promise<string> {
    try {
      const request = parseControlRequest(line)
      if (!this.#controlled) await new Promise<void>((resolve) => this.#waiting.push(resolve))
      return this.#controlled ? encodeControlAnswer(await carryOut(this.#controlled, request)) : ''
    } catch (error) {
      return encodeControlFailure(error)
    }
  }
}

async function carryOut(controlled: Controlled, request: ControlRequest): Promise<object> {
  switch (request.request) {
    case 'sync':
      return controlled.sync()
    case 'checkpoint':
      return controlled.checkpoint(request.message)
    case 'status':
      return controlled.status()
    case 'stop':
      controlled.stop()
      return { stopping: true }
  }
}
