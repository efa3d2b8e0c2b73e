import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { MemoryObjectStore } from './memory-object-store.ts'
import { StoppableObjectStore } from './stoppable-object-store.ts'

test('until the signal every call is that of the store behind, and after it none is made', async () => {
  await using behind = new MemoryObjectStore(systemClock)
  const stop = new AbortController()
  const store = new StoppableObjectStore(behind, stop.signal)
  await store.put('a', [Buffer.from('bytes')])
  await store.put('b', [Buffer.from('more')])
  await store.delete('b')
  assert.equal(store.address, behind.address)
  assert.deepEqual(await store.head('a'), { bytes: 5 })
  assert.equal(Buffer.from(await store.get('a', { offset: 1, length: 2 })).toString(), 'yt')
  const keys = async () => {
    const found: string[] = []
    for await (const { key } of store.list('')) found.push(key)
    return found
  }
  assert.deepEqual(await keys(), ['a'])
  const reason = new Error('given up')
  stop.abort(reason)
  for (const call of [() => store.put('c', []), () => store.get('a'), () => store.head('a'), keys])
    await assert.rejects(call(), reason)
  await assert.rejects(store.delete('a'), reason)
  assert.deepEqual(await behind.head('a'), { bytes: 5 })
})
