import { parentPort, workerData } from 'node:worker_threads'
import { present } from '@holdfast/base/assert'
import { failureToWire } from '@holdfast/base/failure'
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

function send(message: RestoreMessage): void {
  port.postMessage(message)
}

port.on('message', (work: RangeWork) => {
  try {
    writer.write(work)
    send({ kind: 'done' })
  } catch (error) {
    send({ kind: 'failed', ...failureToWire(error) })
  }
})
