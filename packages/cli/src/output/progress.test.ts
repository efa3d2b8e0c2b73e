import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '@holdfast/base/clock'
import { Progress, type ProgressSink, progressLine } from './progress.ts'

/** A clock that goes on only when it is told to. */
class SteppedClock implements Clock {
  #nowMs = 0
  readonly #sleepers: { readonly atMs: number; readonly wake: () => void }[] = []

  wallMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#sleepers.push({ atMs: this.#nowMs + ms, wake: resolve })
      signal?.addEventListener('abort', () => reject(signal.reason))
    })
  }

  async advance(ms: number): Promise<void> {
    for (const endMs = this.#nowMs + ms; this.#nowMs < endMs; ) {
      this.#nowMs += 10
      for (const sleeper of this.#sleepers.filter(({ atMs }) => atMs <= this.#nowMs)) sleeper.wake()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

function keptSink(columns: number | undefined): ProgressSink & { readonly written: string[] } {
  const written: string[] = []
  return { written, write: (text) => void written.push(text), columns: () => columns }
}

test('what is done within a second shows nothing', async () => {
  const clock = new SteppedClock()
  const sink = keptSink(80)
  const progress = new Progress('restoring', () => ({ bytesDone: 1, bytesTotal: 2 }), { sink, clock })
  await clock.advance(900)
  progress[Symbol.dispose]()
  await clock.advance(5000)
  assert.deepEqual(sink.written, [])
})

test('on a terminal one line is painted again and again, and taken away at the end', async () => {
  const clock = new SteppedClock()
  const sink = keptSink(60)
  const progress = new Progress('restoring', () => ({ bytesDone: 5e6, bytesTotal: 1e7 }), { sink, clock })
  await clock.advance(1500)
  progress[Symbol.dispose]()
  assert.ok(sink.written.length >= 5)
  assert.ok(sink.written.every((text) => text.startsWith('\r\x1b[K') && !text.includes('\n')))
  assert.ok(sink.written.every((text) => text.length <= 60 + 4))
  assert.equal(sink.written.at(-1), '\r\x1b[K')
})

test('elsewhere a plain line comes every five seconds', async () => {
  const clock = new SteppedClock()
  const sink = keptSink(undefined)
  using _progress = new Progress('committing', () => ({ bytesDone: 3e6 }), { sink, clock })
  await clock.advance(11_500)
  assert.equal(sink.written.length, 3)
  assert.equal(sink.written[0], 'committing  3 MB  3 MB/s  1.0 s\n')
})

test('a line tells bytes, files, rate and the time that is left', () => {
  const state = { bytesDone: 250e6, bytesTotal: 1e9, filesTotal: 8120 }
  assert.equal(
    progressLine('restoring', state, 2000),
    'restoring  █████░░░░░░░░░░░░░░░  25 %  250 MB of 1 GB  8,120 files  125 MB/s  6.0 s left',
  )
})

test('a line leaves out what is not known', () => {
  assert.equal(progressLine('committing', {}, 1200), 'committing  1.2 s')
  assert.equal(
    progressLine('verifying', { filesDone: 5, filesTotal: 10 }, 4000),
    'verifying  ██████████░░░░░░░░░░  50 %  5 of 10 files  4.0 s left',
  )
})
