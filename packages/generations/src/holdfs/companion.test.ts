import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isFailure } from '@holdfast/base/failure'
import { encodeRequest, PayloadWriter } from './frames.ts'
import { Holdfs } from './holdfs.ts'
import { PROTOCOL_VERSION } from './operations.ts'

const BUILD = fileURLToPath(new URL('../../native/build.sh', import.meta.url))
const BINARY = fileURLToPath(new URL('../../../../build/holdfs', import.meta.url))
const CLIENT = new URL('./holdfs.ts', import.meta.url).href
const RUN_MS_MAX = 5000
const HELLO = encodeRequest(7, 0, Buffer.alloc(0))

const failedHelper = (error: unknown) => isFailure(error, 'helper-failed')

/** What the binary answers to `input`, then the end of input. */
function answer(input: Buffer) {
  const result = spawnSync(BINARY, [], { input, timeout: RUN_MS_MAX })
  return { status: result.status, stderr: result.stderr.toString(), stdout: result.stdout }
}

describe('the companion process', () => {
  let home: string

  before(() => {
    execFileSync('sh', [BUILD])
    home = mkdtempSync(join(tmpdir(), 'holdfs-companion-'))
  })

  after(() => {
    rmSync(home, { recursive: true, force: true })
  })

  /** A program in the companion's place that answers with `script`. */
  function impostor(name: string, script: string): string {
    const path = join(home, name)
    writeFileSync(path, `#!/bin/sh\n${script}\n`)
    chmodSync(path, 0o755)
    return path
  }

  const MALFORMED = {
    'a length below its header': Buffer.from('040000000100000000', 'hex'),
    'a length above the bound': Buffer.from('ffffffff0100000000', 'hex'),
    'a payload that ends early': encodeRequest(1, 1, Buffer.from('ff', 'hex')),
    'a string without its end': encodeRequest(1, 1, Buffer.from('0100000041', 'hex')),
    'a string with a zero byte': encodeRequest(1, 1, Buffer.from('02000000410000', 'hex')),
    'bytes left over': encodeRequest(1, 1, Buffer.concat([new PayloadWriter().path('/').finish(), HELLO])),
    'a count beyond its names': encodeRequest(
      1,
      2,
      new PayloadWriter().path('/').u32(4_000_000_000).finish(),
    ),
  }
  for (const [what, frame] of Object.entries(MALFORMED)) {
    test(`${what} ends the companion with status 2 and a message, after the replies before it`, () => {
      const result = answer(Buffer.concat([HELLO, frame, HELLO]))
      assert.equal(result.status, 2)
      assert.match(result.stderr, /malformed request/)
      assert.equal(result.stdout.toString('hex'), `0900000007000000000${PROTOCOL_VERSION}000000`)
    })
  }

  test('the end of input ends the companion, in the middle of a frame too', () => {
    assert.equal(answer(Buffer.alloc(0)).status, 0)
    assert.equal(answer(HELLO.subarray(0, 6)).status, 0)
    assert.equal(answer(encodeRequest(1, 1, Buffer.alloc(100)).subarray(0, 50)).status, 0)
  })

  test('an operation that the companion does not know is answered ENOSYS', () => {
    const reply = answer(encodeRequest(3, 200, Buffer.alloc(0))).stdout
    assert.equal(reply.readUInt8(8), 1)
    assert.equal(reply.readUInt32LE(9), 38)
  })

  test('a parent that does not read its replies ends the companion, not with SIGPIPE', async () => {
    const child = spawn(BINARY, [], { stdio: ['pipe', 'pipe', 'ignore'] })
    child.stdout.destroy()
    child.stdin.write(HELLO)
    const [status, signal] = await once(child, 'exit')
    assert.deepEqual([status, signal], [0, null])
  })

  test('without its binary, starting fails as unsupported-here and names the command that builds it', async () => {
    await assert.rejects(Holdfs.start({ binaryPath: join(home, 'none') }), (error) => {
      return isFailure(error, 'unsupported-here') && error.message.includes('npm run native')
    })
    writeFileSync(join(home, 'not-executable'), '')
    await assert.rejects(Holdfs.start({ binaryPath: join(home, 'not-executable') }), (error) =>
      isFailure(error, 'unsupported-here'),
    )
  })

  test('a companion of another version is refused', async () => {
    const binaryPath = impostor('old', `printf '\\011\\0\\0\\0\\001\\0\\0\\0\\0\\0\\0\\0\\0'; cat >/dev/null`)
    await assert.rejects(Holdfs.start({ binaryPath }), (error) => isFailure(error, 'unsupported-here'))
  })

  test('output that is not a reply fails every request, and hangs none', async () => {
    const garbage = ['echo this is not a frame', `printf '\\005\\0\\0\\0\\077\\0\\0\\0\\0'`, 'exit 3']
    for (const [index, script] of garbage.entries()) {
      const binaryPath = impostor(`garbage-${index}`, `${script}; cat >/dev/null`)
      await assert.rejects(Holdfs.start({ binaryPath }), failedHelper)
    }
  })

  test('when the companion dies, every request under way and every later one rejects', async () => {
    await using holdfs = await Holdfs.start()
    process.kill(holdfs.pid, 'SIGSTOP')
    const requests = Array.from({ length: 20 }, () => holdfs.hello())
    process.kill(holdfs.pid, 'SIGKILL')
    for (const outcome of await Promise.allSettled(requests))
      assert.ok(outcome.status === 'rejected' && failedHelper(outcome.reason))
    await assert.rejects(holdfs.hello(), failedHelper)
  })

  test('requests under way when it is closed are answered first; later ones are refused', async () => {
    const holdfs = await Holdfs.start()
    const requests = Array.from({ length: 200 }, () => holdfs.hello())
    await holdfs[Symbol.asyncDispose]()
    assert.deepEqual(new Set(await Promise.all(requests)), new Set([PROTOCOL_VERSION]))
    await assert.rejects(holdfs.hello(), failedHelper)
    assert.equal(existsSync(`/proc/${holdfs.pid}`), false)
  })

  test('an argument that cannot be sent rejects and leaves the others alone', async () => {
    await using holdfs = await Holdfs.start()
    const [bad, good] = await Promise.allSettled([holdfs.syncfs('/a\0b'), holdfs.syncfs('/tmp')])
    assert.ok(bad.status === 'rejected' && isFailure(bad.reason, 'invalid-argument'))
    assert.equal(good.status, 'fulfilled')
  })

  test('an idle companion does not keep its process alive, and one at work does', () => {
    const script = `const { Holdfs } = await import('${CLIENT}'); const holdfs = await Holdfs.start()
      void holdfs.syncfs('/').then(() => console.log('answered'))`
    const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: RUN_MS_MAX })
    assert.equal(result.status, 0)
    assert.equal(result.stdout.toString(), 'answered\n')
  })

  test('when the companion dies, a process that has nothing else to do hears of it before it ends', () => {
    const script = `
      import { Holdfs } from '${CLIENT}'
      const holdfs = await Holdfs.start()
      process.kill(holdfs.pid, 'SIGSTOP')
      const asked = holdfs.syncfs('/')
      process.kill(holdfs.pid, 'SIGKILL')
      await asked.catch((error) => console.log(error.code))`
    const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script])
    assert.deepEqual([stdout.toString(), status], ['helper-failed\n', 0])
  })

  test('a round trip is answered, and its latency printed', async () => {
    await using holdfs = await Holdfs.start()
    const micros: number[] = []
    for (let round = 0; round < 2000; round++) {
      const start = performance.now()
      assert.equal(await holdfs.hello(), PROTOCOL_VERSION)
      micros.push((performance.now() - start) * 1000)
    }
    micros.sort((a, b) => a - b)
    console.log(`holdfs round trip: ${micros[1000]?.toFixed(0)} us p50, ${micros[1980]?.toFixed(0)} us p99`)
  })
})
