import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { systemBootClock } from '@holdfast/base/boot-clock'
import { systemClock } from '@holdfast/base/clock'
import fc from 'fast-check'
import { encodeCommand } from './exec-request.ts'
import { FRAME, type Frame, FrameReader, frameHeader } from './frames.ts'
import { openConnection } from './holdinit-connection.ts'
import {
  BINARY,
  command,
  type RunningHoldinit,
  run,
  shell,
  startHoldinit,
} from './running-holdinit.fixture.ts'

const LIMITS = { timeout: 55_000 }
const RUNS = process.env.HOLDFAST_LONG === '1' ? 5000 : 250
const SANITIZED = `${BINARY}-sanitized`

before(() => {
  const build = join(import.meta.dirname, '../../native/build.sh')
  execFileSync('sh', [build], { env: { ...process.env, HOLDINIT_SANITIZE: '1' }, stdio: 'inherit' })
  assert.ok(existsSync(SANITIZED))
})

const REQUEST = encodeCommand(command(['cat'], { stdin: true }), { workspacePath: '/', limits: [] })

/** Few ids, so that frames meet the channels of others. */
const id = fc.oneof(fc.integer({ min: 0, max: 6 }), fc.constant(0xffffffff))
/** The request of a command, right or bent somewhere. */
const request = fc
  .tuple(fc.nat({ max: REQUEST.length - 1 }), fc.nat({ max: 255 }), fc.nat({ max: REQUEST.length }))
  .map(([at, byte, end]) => {
    const bytes = Buffer.from(REQUEST)
    bytes[at] = byte
    return bytes.subarray(0, end)
  })
const anything = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.integer({ min: 1, max: 65_536 }).map((length) => Buffer.alloc(length, 7)),
)
const four = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => Buffer.from(bytes))
const none = fc.constant(Buffer.alloc(0))
/** To port 1, where nobody listens: this runs on the network of the machine. */
const port = four.map((credit) => Buffer.concat([credit, Buffer.from([1, 0])]))
const RIGHT: readonly (readonly [type: number, payload: fc.Arbitrary<Buffer>])[] = [
  [FRAME.exec, fc.oneof(fc.constant(REQUEST), request)],
  [FRAME.input, anything],
  [FRAME.credit, four],
  [FRAME.resize, four],
  [FRAME.signal, fc.nat({ max: 70 }).map((number) => Buffer.from([number, 0, 0, 0]))],
  [FRAME.kill, none],
  [FRAME.release, none],
  [FRAME.attach, four],
  [FRAME.list, none],
  [FRAME.connect, port],
  [FRAME.answer, anything],
]
const flags = fc.constantFrom(0, 0, 0, 1, 2)
const right = fc.oneof(
  ...RIGHT.map(([type, payload]) => fc.record({ type: fc.constant(type), flags, id, payload })),
)
/** EXTEND is left out: a deadline in the past ends it, as it should. */
const bent = fc
  .record({ type: fc.nat({ max: 255 }), flags, id, payload: anything })
  .filter((one) => one.type !== FRAME.extend && one.type !== FRAME.connect)
const frame = fc
  .oneof({ arbitrary: right, weight: 12 }, { arbitrary: bent, weight: 1 })
  .map((one) => Buffer.concat([frameHeader(one, one.payload.length), one.payload]))
const noise = fc.uint8Array({ minLength: 12, maxLength: 64 }).filter((bytes) => bytes[0] !== FRAME.extend)
const conversation = fc.array(fc.oneof({ arbitrary: frame, weight: 30 }, { arbitrary: noise, weight: 1 }), {
  minLength: 1,
  maxLength: 30,
})

/** Returns the types of the frames that it answered. */
async function say(running: RunningHoldinit, parts: readonly Uint8Array[]): Promise<readonly number[]> {
  const { socket } = await openConnection({
    socketPath: join(running.folder, 'control/control.sock'),
    nonce: running.nonce,
    clock: systemClock,
    timeoutMs: 2000,
  })
  socket.on('error', () => {})
  const frames: Frame[] = []
  const reader = new FrameReader((one) => frames.push(one))
  socket.on('data', (bytes: Buffer) => reader.push(bytes))
  const closed = new Promise((resolve) => socket.once('close', resolve))
  for (const part of parts) socket.write(part)
  await systemClock.sleep(2) // commands have begun when it hangs up
  socket.end()
  await closed
  return frames.map((one) => one.type)
}

test('whatever a host says, holdinit lives and serves the next', LIMITS, async (t) => {
  const running = await startHoldinit(t, {
    binary: SANITIZED,
    flags: { deadlineBootMs: systemBootClock.bootMs() + 60_000 },
  })
  const said = new Set<number>()
  await fc.assert(
    fc.asyncProperty(conversation, async (parts) => {
      for (const one of await say(running, parts)) said.add(one)
      assert.equal(running.child.exitCode, null)
    }),
    { numRuns: RUNS, interruptAfterTimeLimit: 20_000 },
  )
  for (const one of [FRAME.listed, FRAME.failed, FRAME.started]) assert.ok(said.has(one), `it came to ${one}`)
  for (const one of said) assert.ok(one >= 64 && one <= FRAME.call, 'all that it says are its frames')
  const next = await running.connect()
  assert.equal((await run(next, shell('echo alive'))).stdout, 'alive\n')
})

test('whatever user code says, holdinit lives and serves its host', LIMITS, async (t) => {
  const running = await startHoldinit(t, { binary: SANITIZED })
  running.holdinit.onGuestCall(async () => ({ exitCode: 0, text: 'fine\n' }))
  const words = fc.array(
    fc.oneof(fc.constantFrom('sync', 'status', '\n', '\0', ' '), fc.string({ maxLength: 20 })),
    { maxLength: 5 },
  )
  await fc.assert(
    fc.asyncProperty(words, fc.boolean(), async (parts, isPatient) => {
      const socket = connect(join(running.folder, 'guest.sock'))
      socket.on('error', () => {})
      const closed = new Promise((resolve) => socket.once('close', resolve))
      for (const part of parts) socket.write(part)
      if (isPatient) socket.resume().end()
      else socket.once('connect', () => socket.destroy())
      await closed
      assert.equal(running.child.exitCode, null)
    }),
    { numRuns: RUNS, interruptAfterTimeLimit: 20_000 },
  )
  assert.equal((await run(running.holdinit, shell('echo alive'))).stdout, 'alive\n')
})

test('frames are the same however the bytes are cut', () => {
  const one = fc.record({
    type: fc.constantFrom<number>(...Object.values(FRAME)),
    flags: fc.nat({ max: 255 }),
    id: fc.nat({ max: 0xffffffff }),
    payload: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  })
  fc.assert(
    fc.property(
      fc.array(one, { maxLength: 10 }),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
      (all, cuts) => {
        const bytes = Buffer.concat(
          all.flatMap((each) => [frameHeader(each, each.payload.length), each.payload]),
        )
        const got: Frame[] = []
        const reader = new FrameReader((each) => got.push(each))
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const length = cuts[i % cuts.length] ?? 1
          reader.push(bytes.subarray(at, at + length))
          at += length
        }
        assert.equal(outputJoined(got), outputJoined(all))
      },
    ),
  )
})

/** The pieces of neighbouring outputs of a channel are one output. */
function outputJoined(frames: readonly Frame[]): string {
  let text = ''
  let before = ''
  for (const each of frames) {
    const head = `${each.type} ${each.flags} ${each.id}`
    const isMore = each.type === FRAME.output && head === before && each.payload.length > 0
    text += isMore ? each.payload.toString('hex') : `|${head} ${each.payload.toString('hex')}`
    before = head
  }
  return text
}
