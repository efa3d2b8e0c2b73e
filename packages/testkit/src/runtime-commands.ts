import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isFailure } from '@holdfast/base/failure'
import { ExecRequest } from '@holdfast/protocol/exec'
import type { Sandbox } from '@holdfast/sandbox/runtime'
import { type RuntimeBench, run, tryRuntime, untilTrue } from './runtime-bench.ts'

export function commandPromises(bench: RuntimeBench): void {
  test('a command is run with its arguments, environment and directory, as the user', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start({ spec: { environment: { WORD: 'of the spec' } } })
    const ran = await run(sandbox, 'echo "$0 $1 $WORD $OWN"; pwd; id -u; echo wrong >&2; exit 7', {
      environment: { OWN: 'of the command' },
    })
    assert.equal(ran.stderr, 'wrong\n')
    assert.deepEqual(ran.end, { kind: 'exited', exitCode: 7 })
    const [words, directory, user] = ran.stdout.split('\n')
    assert.equal(words, 'sh  of the spec of the command')
    assert.equal(directory, '/workspace')
    assert.notEqual(user, '0')
    const spread = await run(sandbox, ['printf', '<%s>', 'a b', '', '$HOME'])
    assert.equal(spread.stdout, '<a b><><$HOME>')
  })

  test('a command runs in the directory that it names, absolute or below /workspace', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start()
    await run(sandbox, 'mkdir -p deep/er')
    assert.equal((await run(sandbox, ['pwd'], { cwd: 'deep/er' })).stdout, '/workspace/deep/er\n')
    assert.equal((await run(sandbox, ['pwd'], { cwd: '/usr' })).stdout, '/usr\n')
  })

  test('a command that cannot be run is refused, and says so', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start()
    const refused = (request: ExecRequest) =>
      assert.rejects(sandbox.exec(request), (error) => isFailure(error, 'exec-failed'))
    await refused(ExecRequest.parse({ argv: ['no-such-program'] }))
    await refused(ExecRequest.parse({ argv: ['true'], cwd: '/no/such/directory' }))
    if (!bench.hasRoot) await refused(ExecRequest.parse({ argv: ['true'], user: 'root' }))
  })

  test('python3, git, bash and node run', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start()
    const ran = await run(
      sandbox,
      'python3 -c "print(6*7)" && git init -q r && bash -c "echo bash" && node -p "6*8"',
    )
    assert.equal(ran.stdout, '42\nbash\n48\n', ran.stderr)
  })

  test('input reaches the command, and its end too', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start()
    const input = 'line of input\n'.repeat(20_000)
    const ran = await run(sandbox, ['wc', '-c'], { input })
    assert.equal(ran.stdout.trim(), String(input.length))
    assert.equal((await run(sandbox, ['cat'])).stdout, '', 'without input it is at its end from the start')
  })

  test('a terminal has a size, and can be given another', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start()
    const exec = await sandbox.exec(
      ExecRequest.parse({
        argv: ['sh', '-c', 'trap "stty size; exit 3" WINCH; tty; stty size; while :; do sleep 0.02; done'],
        terminal: { columns: 101, rows: 33 },
      }),
    )
    let text = ''
    let isResized = false
    for await (const { stream, bytes } of exec.output) {
      assert.equal(stream, 'terminal')
      text += Buffer.from(bytes).toString()
      if (!isResized && text.includes('33 101')) {
        isResized = true
        await exec.resize(55, 22)
      }
    }
    assert.match(text, /\/dev\/pts\/\d+\r\n33 101\r\n22 55\r\n/)
    assert.deepEqual(await exec.ended, { kind: 'exited', exitCode: 3 })
  })

  test('a signal reaches the command, and the end tells it', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start()
    const exec = await sandbox.exec(ExecRequest.parse({ argv: ['sleep', '50'] }))
    await exec.signal('SIGTERM')
    assert.deepEqual(await exec.ended, { kind: 'signaled', signal: 'SIGTERM', isOom: false })
  })

  test('killing a command ends what it started, also in other sessions, and nothing else', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start()
    const bystander = await sandbox.exec(ExecRequest.parse({ argv: ['sleep', '51'] }))
    const exec = await sandbox.exec(
      ExecRequest.parse({
        argv: ['sh', '-c', 'setsid sh -c "(while :; do echo >> ticks; sleep 0.02; done) &"; sleep 52'],
      }),
    )
    await untilTrue(async () => (await run(sandbox, ['test', '-s', 'ticks'])).exitCode === 0)
    await exec.kill()
    assert.deepEqual(await exec.ended, { kind: 'signaled', signal: 'SIGKILL', isOom: false })
    assert.equal(await isStill(sandbox, 'ticks'), true)
    await bystander.signal('SIGTERM')
    assert.equal((await bystander.ended).kind, 'signaled')
  })

  test('/workspace is the volume, writable, and its files belong to one user on the host', async (t) => {
    const trial = tryRuntime(t, bench)
    const volumePath = trial.volume()
    writeFileSync(join(volumePath, 'from-host'), 'host')
    await using sandbox = await trial.start({ volumePath })
    const ran = await run(
      sandbox,
      'cat from-host; mkdir made && echo guest > made/file && stat -c %u made/file',
    )
    assert.match(ran.stdout, /^host\d+\n$/, ran.stderr)
    assert.equal(readFileSync(join(volumePath, 'made/file'), 'latin1'), 'guest\n')
    for (const name of ['made', 'made/file']) {
      const { uid, gid } = statSync(join(volumePath, name))
      assert.deepEqual([uid, gid], [bench.owner, bench.owner], name)
    }
  })

  test('a server inside is reached at its port, and a port without one is told', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start()
    const port = 18_000 + (process.pid % 1000)
    await run(sandbox, 'echo served > page.txt')
    const server = await sandbox.exec(
      ExecRequest.parse({ argv: ['python3', '-m', 'http.server', '--bind', '127.0.0.1', String(port)] }),
    )
    await assert.rejects(sandbox.connect(port + 1), (error) => isFailure(error, 'port-unreachable'))
    let answer = ''
    await untilTrue(async () => {
      answer = await fetchInside(sandbox, port)
      return answer !== ''
    })
    assert.match(answer, /^HTTP\/1\.0 200 [\s\S]*served\n$/)
    await server.kill()
  })

  if (bench.hasRoot)
    test('root runs commands only where the sandbox allows it, and isolated owns no file of a host account', async (t) => {
      const trial = tryRuntime(t, bench)
      await using plain = await trial.start()
      await assert.rejects(plain.exec(ExecRequest.parse({ argv: ['id'], user: 'root' })), (error) =>
        isFailure(error, 'exec-failed'),
      )
      const volumePath = trial.volume()
      await using sandbox = await trial.start({ spec: { allowRoot: true }, volumePath })
      const ran = await run(sandbox, 'id -u; touch of-root; touch given && chown 1000:1000 given', {
        user: 'root',
      })
      assert.equal(ran.stdout, '0\n', ran.stderr)
      assert.equal(statSync(join(volumePath, 'given')).uid, bench.owner)
      assert.equal(statSync(join(volumePath, 'of-root')).uid >= 65_536, bench.isIsolated)
      assert.equal((await run(sandbox, ['id', '-u'])).stdout.trim(), '1000')
    })
}

async function fetchInside(sandbox: Sandbox, port: number): Promise<string> {
  try {
    const stream = await sandbox.connect(port)
    stream.end('GET /page.txt HTTP/1.0\r\n\r\n')
    const parts: Buffer[] = []
    for await (const part of stream) parts.push(Buffer.from(part))
    return Buffer.concat(parts).toString()
  } catch (error) {
    assert.ok(isFailure(error, 'port-unreachable'), String(error))
    return ''
  }
}

/** True if a file of the workspace does not grow. */
async function isStill(sandbox: Sandbox, file: string): Promise<boolean> {
  const size = async () => (await run(sandbox, ['stat', '-c', '%s', file])).stdout
  const before = await size()
  await delay(150)
  return (await size()) === before
}
