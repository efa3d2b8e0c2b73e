import { parentPort, workerData } from 'node:worker_threads'
import { present } from '@holdfast/base/assert'
import { failureToWire } from '@holdfast/base/failure'
import { END_THREAD } from '@holdfast/base/start-thread'
import { createFrameSeal } from '../format/frame-seal.ts'
import { SourceDirectory } from '../scan/source-directory.ts'
import type { RangeWork } from './frame-job.ts'
import { PieceWriter } from './piece-writer.ts'
import type { RestoreMessage, RestoreStart } from './restore-threads.ts'

const port = present(parentPort, 'the parent port')
const start: RestoreStart = workerData
const writer = new PieceWriter(new SourceDirectory(start.path), {
  seal: start.sealKey && createFrameSeal(start.sealKey),
})

function send(message: RestoreMessage, moved: ArrayBuffer[] = []): void {
  port.postMessage(message, moved)
}

port.on('message', (work: RangeWork | typeof END_THREAD) => {
  if (work === END_THREAD) process.exit()
  try {
    const hashed = writer.write(work)
    send(
      { kind: 'done', hashed },
      hashed.map(({ words }) => words.buffer),
    )
  } catch (error) {
    send({ kind: 'failed', ...failureToWire(error) })
  }
})
