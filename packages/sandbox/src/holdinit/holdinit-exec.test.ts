import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import type { HoldinitCommand } from './exec-request.ts'
import { collect, command, run, shell, startHoldinit } from './running-holdinit.fixture.ts'

const LIMITS = { timeout: 20_000 }

function rssBytes(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
  return pages * 4096
}

test(
  'a command has its exit code, its two streams, its directory and only its own variables',
  LIMITS,
  async (t) => {
    const { holdinit } = await startHoldinit(t)
    const words = shell('pwd; env | sort; echo wrong >&2; exit 41', {
      cwd: 'tmp',
      environment: { PATH: '/usr/bin:/bin', GREETING: 'a=b c' },
    })
    const { stdout, stderr, end } = await run(holdinit, words)
    assert.equal(stdout, '/tmp\nGREETING=a=b c\nPATH=/usr/bin:/bin\nPWD=/tmp\n')
    assert.equal(stderr, 'wrong\n')
    assert.deepEqual(end, { kind: 'exited', exitCode: 41 })
  },
)

test('a command that a signal ends says which', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  for (const signal of ['SIGSEGV', 'SIGTERM', 'SIGKILL', 'SIGUSR2'] as const) {
    const exec = await holdinit.exec(command(['sleep', '20']))
    await exec.signal(signal)
    assert.deepEqual(await exec.ended, { kind: 'signaled', signal, isOom: false })
  }
})

test('a signal reaches the whole process group', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const exec = await holdinit.exec(
    shell('sh -c "trap \'echo child; exit\' TERM; echo ready; sleep 20 & wait" & wait'),
  )
  let text = ''
  for await (const piece of exec.output) {
    text += Buffer.from(piece.bytes).toString()
    if (text === 'ready\n') await exec.signal('SIGTERM')
  }
  assert.equal(text, 'ready\nchild\n')
  assert.deepEqual(await exec.ended, { kind: 'signaled', signal: 'SIGTERM', isOom: false })
})

const IMPOSSIBLE: readonly (readonly [what: string, wanted: HoldinitCommand, step: string, errno: string])[] =
  [
    ['a program that is not there', command(['no-such-program']), 'program', 'ENOENT'],
    ['a program that is none', command(['/etc/passwd']), 'program', 'EACCES'],
    ['a directory as program', command(['/etc']), 'program', 'EACCES'],
    ['a directory that is not there', command(['true'], { cwd: '/nowhere' }), 'directory', 'ENOENT'],
    ['a directory that may not be entered', command(['true'], { cwd: '/root' }), 'directory', 'EACCES'],
    ['a directory of a descriptor', command(['true'], { cwd: '/proc/self/fd/5' }), 'directory', 'ENOENT'],
    ['a word that is too long', command(['true', 'x'.repeat(200_000)]), 'program', 'E2BIG'],
    ['root where it is not allowed', command(['true'], { user: 'root' }), 'user', 'EPERM'],
  ]

for (const [what, wanted, step, errno] of IMPOSSIBLE) {
  test(`${what} is a failure, and no exit code`, LIMITS, async (t) => {
    const { holdinit } = await startHoldinit(t)
    await assert.rejects(holdinit.exec(wanted), (error) => {
      assert.ok(isFailure(error, 'exec-failed'))
      assert.deepEqual(error.details, { step, errno })
      return true
    })
    assert.deepEqual((await run(holdinit, command(['true']))).end, { kind: 'exited', exitCode: 0 })
    assert.deepEqual(await holdinit.list(), [])
  })
}

test(
  'a command has no capability, no other descriptor, no privilege to gain and a plain signal mask',
  LIMITS,
  async (t) => {
    const { holdinit } = await startHoldinit(t, {
      connection: { limits: [{ resource: 4, soft: 0n, hard: null }] },
    })
    const { stdout } = await run(holdinit, shell('cat /proc/self/status; ls /proc/self/fd; ulimit -c; umask'))
    for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'])
      assert.match(stdout, new RegExp(`Cap${set}:\t0{16}\n`))
    assert.match(stdout, /NoNewPrivs:\t1\n/)
    assert.match(stdout, /Uid:\t1000\t1000\t1000\t1000\n/)
    assert.match(stdout, /Groups:\t *\n/)
    for (const set of ['Blk', 'Ign']) assert.match(stdout, new RegExp(`Sig${set}:\t0{16}\n`))
    assert.ok(stdout.endsWith('\n0\n1\n2\n3\n0\n0022\n'), 'three descriptors, and the one that ls opens')
  },
)

test('holdinit keeps three capabilities and cannot be dumped', LIMITS, async (t) => {
  const { child, holdinit } = await startHoldinit(t)
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  for (const set of ['Prm', 'Eff']) assert.match(status, new RegExp(`Cap${set}:\t0{13}0e0\n`))
  for (const set of ['Inh', 'Bnd', 'Amb']) assert.match(status, new RegExp(`Cap${set}:\t0{16}\n`))
  const { stderr } = await run(holdinit, shell(`cat /proc/${child.pid}/environ; ls /proc/${child.pid}/fd`))
  assert.match(stderr, /environ: Permission denied\n.*fd.*: Permission denied/)
})

test('root, where it is allowed, has five capabilities, and others none', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t, { flags: { allowRoot: true } })
  const root = await run(holdinit, shell('id -u; grep Cap /proc/self/status', { user: 'root' }))
  assert.equal(root.stdout.match(/^0\n/)?.length, 1)
  for (const set of ['Prm', 'Eff', 'Bnd']) assert.match(root.stdout, new RegExp(`Cap${set}:\t0{14}cb\n`))
  const user = await run(holdinit, shell('id -u; grep Cap /proc/self/status'))
  for (const set of ['Prm', 'Eff', 'Bnd']) assert.match(user.stdout, new RegExp(`Cap${set}:\t0{16}\n`))
})

test('the input arrives whole and ends', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const exec = await holdinit.exec(command(['sha256sum'], { stdin: true }))
  const block = Buffer.alloc(1_000_000, 'abcdefg')
  for (let i = 0; i < 20; i++) await exec.write(block)
  await exec.endInput()
  const { stdout } = await collect(exec)
  const hash = createHash('sha256')
  for (let i = 0; i < 20; i++) hash.update(block)
  assert.equal(stdout, `${hash.digest('hex')}  -\n`)
  await assert.rejects(exec.write(block), (error) => isFailure(error, 'invalid-state'))
})

test('a program that reads no input blocks who writes it, and its end releases them', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const exec = await holdinit.exec(command(['sleep', '20'], { stdin: true }))
  const written = exec.write(Buffer.alloc(1_000_000))
  const outcome = written.then(
    () => 'written',
    (error: unknown) => (isFailure(error, 'invalid-state') ? 'at its end' : 'failed'),
  )
  assert.equal(await Promise.race([outcome, systemClock.sleep(100)]), undefined)
  await exec.kill()
  assert.equal(await outcome, 'at its end')
})

test('a program that has no input, and one that closes it, refuse a write', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const without = await holdinit.exec(shell('cat; echo ended; sleep 20'))
  for await (const piece of without.output) {
    assert.equal(Buffer.from(piece.bytes).toString(), 'ended\n')
    await assert.rejects(without.write(Buffer.from('x')), (error) => isFailure(error, 'invalid-state'))
    await without.kill()
  }
  const closing = await holdinit.exec(shell('exec 0<&- ; echo closed; sleep 20', { stdin: true }))
  for await (const piece of closing.output) {
    assert.equal(Buffer.from(piece.bytes).toString(), 'closed\n')
    await systemClock.sleep(20)
    await assert.rejects(closing.write(Buffer.from('x')), (error) => isFailure(error, 'invalid-state'))
    await closing.kill()
  }
})

test('a command of hundreds of kilobytes arrives', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const words = Array.from({ length: 12 }, (_, i) => String(i % 10).repeat(100_000))
  const { stdout } = await run(
    holdinit,
    command(['sh', '-c', 'shift 11; echo "$#" "$(printf %s "$1" | wc -c)"', 'sh', ...words]),
  )
  assert.equal(stdout, '1 100000\n')
})

test('a line of 100 MB arrives whole', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const exec = await holdinit.exec(shell("head -c 100000000 /dev/zero | tr '\\0' x"))
  let bytes = 0
  for await (const piece of exec.output) bytes += piece.bytes.length
  assert.equal(bytes, 100_000_000)
})

test('a flood waits for its reader and costs no memory', LIMITS, async (t) => {
  const { holdinit, child } = await startHoldinit(t)
  const before = process.memoryUsage().arrayBuffers
  const exec = await holdinit.exec(command(['cat', '/dev/zero']))
  await systemClock.sleep(300)
  assert.ok(rssBytes(child.pid ?? 0) < 4_000_000, 'holdinit keeps nothing')
  assert.ok(process.memoryUsage().arrayBuffers - before < 8_000_000, 'nor does its client')
  const [listed] = await holdinit.list()
  assert.ok((listed?.sentBytes ?? Number.POSITIVE_INFINITY) <= 1024 * 1024)
  let pieces = 0
  for await (const _ of exec.output) if (++pieces === 1000) break
  await exec.kill()
  assert.equal((await exec.ended).kind, 'signaled')
})

test('twenty commands at once end within a moment, beside a flood', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const flood = await holdinit.exec(command(['cat', '/dev/zero']))
  const { promise: flooded, resolve: isFlooded } = Promise.withResolvers<void>()
  const drained = (async () => {
    let bytes = 0
    for await (const piece of flood.output) {
      bytes += piece.bytes.length
      if (bytes > 1_000_000) isFlooded()
    }
  })()
  const all = Array.from({ length: 20 }, (_, i) =>
    run(holdinit, shell(`echo ${i}; echo e${i} >&2; exit ${i}`)),
  )
  for (const [i, one] of (await Promise.all(all)).entries()) {
    assert.deepEqual(one, {
      stdout: `${i}\n`,
      stderr: `e${i}\n`,
      terminal: '',
      end: { kind: 'exited', exitCode: i },
    })
  }
  await flooded
  await flood.kill()
  await drained
})

test('a reader that leaves early lets the command go on', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const exec = await holdinit.exec(shell('head -c 50000000 /dev/zero; exit 7'))
  for await (const _ of exec.output) break
  assert.deepEqual(await exec.ended, { kind: 'exited', exitCode: 7 })
})

test('a command that closes its streams at once is waited for', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const exec = await holdinit.exec(shell('exec 0<&- 1>&- 2>&-; sleep 0.1; exit 5'))
  assert.deepEqual(await collect(exec), { stdout: '', stderr: '', terminal: '' })
  assert.deepEqual(await exec.ended, { kind: 'exited', exitCode: 5 })
})

test('output ends a second after the command where what it left holds its pipes', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const exec = await holdinit.exec(shell('sleep 15 & echo early'))
  assert.deepEqual(await exec.ended, { kind: 'exited', exitCode: 0 })
  const start = performance.now()
  assert.equal((await collect(exec)).stdout, 'early\n')
  const ms = performance.now() - start
  assert.ok(ms > 800 && ms < 2000, `${ms} ms`)
})

test('what was written before the end arrives, however late it is read', LIMITS, async (t) => {
  const { holdinit } = await startHoldinit(t)
  const exec = await holdinit.exec(shell('head -c 1200000 /dev/zero; yes &'))
  assert.equal((await exec.ended).kind, 'exited')
  await systemClock.sleep(1200)
  let zeros = 0
  for await (const piece of exec.output) for (const byte of piece.bytes) if (byte === 0) zeros += 1
  assert.equal(zeros, 1_200_000)
})

test('a thousand ends race with what they end', LIMITS, async (t) => {
  const { holdinit, child } = await startHoldinit(t)
  const openFiles = () => readdirSync(`/proc/${child.pid}/fd`).length
  const openBefore = openFiles()
  for (let round = 0; round < 40; round++) {
    const execs = await Promise.all(
      Array.from({ length: 25 }, () => holdinit.exec(command(['true'], { stdin: true }))),
    )
    for (const exec of execs) {
      exec.write(Buffer.from('late')).catch(() => {})
      void exec.signal('SIGTERM')
      void exec.kill()
      void exec.resize(10, 10)
    }
    const ends = await Promise.all(execs.map((exec) => exec.ended))
    for (const end of ends) assert.ok(end.kind === 'exited' || end.kind === 'signaled')
    for (const exec of execs) await collect(exec)
  }
  assert.deepEqual(await holdinit.list(), [])
  assert.equal(openFiles(), openBefore)
  assert.ok(rssBytes(child.pid ?? 0) < 4_000_000)
})
