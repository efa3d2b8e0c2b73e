import assert from 'node:assert/strict'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isFailure } from '@holdfast/base/failure'
import type { ExecEnd, SandboxExec } from '@holdfast/sandbox/runtime'
import { ManualClock } from '@holdfast/testkit/manual-clock'
import { feedInput } from './stream-bytes.ts'

/** A tool that a guest has stopped: it takes nothing, and only KILL ends it. */
function stoppedTool(): SandboxExec {
  const { promise: ended, resolve } = Promise.withResolvers<ExecEnd>()
  return {
    ended,
    output: { [Symbol.asyncIterator]: () => ({ next: () => ended.then(nothing) }) },
    write: () => ended.then(() => Promise.reject(new Error('its input is at its end'))),
    kill: async () => resolve({ kind: 'signaled', signal: 'SIGKILL', isOom: false }),
    signal: async () => {},
    resize: async () => {},
    endInput: async () => {},
  }
}

function nothing(): IteratorReturnResult<undefined> {
  return { done: true, value: undefined }
}

test('an upload whose tool takes nothing is given up, and the tool is killed', {
  timeout: 10_000,
}, async () => {
  const clock = new ManualClock()
  const exec = stoppedTool()
  const fed = Promise.withResolvers<void>()
  await using server = createServer((incoming) => {
    fed.resolve(feedInput({ exec, clock }, incoming, 'file'))
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const upload = request({ port, host: '127.0.0.1', method: 'PUT' }).on('error', () => {})
  upload.write(Buffer.alloc(100_000))
  const rejected = assert.rejects(fed.promise, (error) => isFailure(error, 'timed-out'))
  while (clock.sleeps === 0) await delay(10)
  await clock.pass(30_000)
  await rejected
  assert.equal((await exec.ended).kind, 'signaled')
  upload.destroy()
})
