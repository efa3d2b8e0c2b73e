import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import type { DirectoryWatch } from './watch-directory.ts'
import { stopOnSignals } from './watch-signals.ts'

function watchOf(
  commandPid: number | null,
): Pick<DirectoryWatch, 'stop' | 'commandPid'> & { stops: unknown[] } {
  const stops: unknown[] = []
  return { stops, commandPid, stop: (signal) => void stops.push(signal) }
}

test('each stopping signal is passed on, until nobody listens any more', () => {
  const source = new EventEmitter()
  const watch = watchOf(1)
  const listening = stopOnSignals(watch, source, false)
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT']) source.emit(signal)
  listening[Symbol.dispose]()
  assert.deepEqual(watch.stops, ['SIGTERM', 'SIGHUP', 'SIGINT'])
  assert.equal(source.eventNames().length, 0)
})

test('on a terminal the first Ctrl-C is not doubled, the second is passed on', () => {
  const source = new EventEmitter()
  const watch = watchOf(1)
  using _listening = stopOnSignals(watch, source, true)
  source.emit('SIGINT')
  assert.deepEqual(watch.stops, [])
  source.emit('SIGINT')
  source.emit('SIGTERM')
  assert.deepEqual(watch.stops, ['SIGINT', 'SIGTERM'])
})

test('on a terminal a Ctrl-C stops a watch that has no command', () => {
  const source = new EventEmitter()
  const watch = watchOf(null)
  using _listening = stopOnSignals(watch, source, true)
  source.emit('SIGINT')
  assert.deepEqual(watch.stops, ['SIGINT'])
})
