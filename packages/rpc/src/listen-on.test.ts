import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { Failure } from '@holdfast/base/failure'
import { listenOn } from './listen-on.ts'

test('where nobody can listen, it is said at which setting, and why', async () => {
  const first = createServer()
  await listenOn(first, { kind: 'tcp', host: '127.0.0.1', port: 0 }, 'api')
  const bound = first.address()
  const port = typeof bound === 'object' && bound ? bound.port : 0
  const tried = async (host: string) => {
    const second = createServer()
    return await listenOn(second, { kind: 'tcp', host, port }, 'api').catch((error: unknown) => error)
  }
  const taken = await tried('127.0.0.1')
  assert.ok(taken instanceof Failure)
  assert.equal(taken.code, 'port-taken')
  assert.equal(taken.message, `api 127.0.0.1:${port}: another process listens there`)
  assert.deepEqual(taken.details, { setting: 'api', address: `127.0.0.1:${port}` })
  const foreign = await tried('192.0.2.1')
  assert.ok(foreign instanceof Failure)
  assert.equal(foreign.code, 'invalid-argument')
  first.close()
})
