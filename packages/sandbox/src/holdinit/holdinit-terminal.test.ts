import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HoldinitExec } from './holdinit-exec.ts'
import { collect, command, run, shell, startHoldinit } from './running-holdinit.fixture.ts'

const LIMITS = { timeout: 20_000 }
const terminal = { columns: 100, rows: 33 }

/** Reads until the text is there; later pieces are left for the next call. */
async function readUntil(output: AsyncIterator<{ bytes: Uint8Array }>, wanted: string): Promise<string> {
  let text = ''
  while (!text.includes(wanted)) {
    const piece = await output.next()
    assert.ok(piece.done !== true, `the output ended before "${wanted}": ${text}`)
    text += Buffer.from(piece.value.bytes).toString()
  }
  return text
}

const iterate = (exec: HoldinitExec) => exec.output[Symbol.asyncIterator]()

test('a terminal has the size that was asked for, and belongs to the user', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const script = 'stty size; stat -c %u "$(tty)"; test -t 0 -a -t 1 -a -t 2 && echo all; echo x > "$(tty)"'
  const { end, ...output } = await run(holdinit, shell(script, { terminal }))
  assert.deepEqual(output, { stdout: '', stderr: '', terminal: '33 100\r\n1000\r\nall\r\nx\r\n' })
  assert.deepEqual(end, { kind: 'exited', exitCode: 0 })
})

test('a new size is told to the program', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const exec = await holdinit.exec(
    shell("trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.01; done", { terminal }),
  )
  const output = iterate(exec)
  await readUntil(output, 'ready')
  await exec.resize(132, 50)
  await readUntil(output, '50 132\r\n')
  assert.deepEqual(await exec.ended, { kind: 'exited', exitCode: 0 })
})

test('what is typed arrives: a line, an interruption, the end', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const exec = await holdinit.exec(
    shell(
      'trap \'echo interrupted\' INT; echo ready; read line; echo "got $line"; sleep 20; cat; echo over',
      {
        terminal,
      },
    ),
  )
  const output = iterate(exec)
  await readUntil(output, 'ready')
  await exec.write(Buffer.from('one\n'))
  await readUntil(output, 'got one\r\n')
  await exec.write(Buffer.from('\x03'))
  await readUntil(output, 'interrupted\r\n')
  await exec.endInput()
  await readUntil(output, 'over\r\n')
  assert.deepEqual(await exec.ended, { kind: 'exited', exitCode: 0 })
})

test('a terminal carries megabytes', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const exec = await holdinit.exec(shell("stty raw; head -c 5000000 /dev/zero | tr '\\0' x", { terminal }))
  assert.equal((await collect(exec)).terminal.length, 5_000_000)
})

test('the end of the leader hangs the terminal up', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const { terminal: text, end } = await run(holdinit, shell('sleep 20 & echo left; exit 2', { terminal }))
  assert.equal(text, 'left\r\n')
  assert.deepEqual(end, { kind: 'exited', exitCode: 2 })
})

test('a program that is not there fails in a terminal too', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  await assert.rejects(holdinit.exec(command(['no-such-program'], { terminal })), /ENOENT/)
})
