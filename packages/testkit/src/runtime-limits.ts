import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExecRequest } from '@holdfast/protocol/exec'
import { LIMITS_DEFAULT } from '@holdfast/protocol/sandbox-spec'
import { type RuntimeBench, run, tryRuntime, untilTrue } from './runtime-bench.ts'

const MIB = 1024 * 1024
const LIMITS = { ...LIMITS_DEFAULT, memoryBytes: 96 * MIB, tmpBytes: 16 * MIB, pids: 40, cpus: 0.5 }

export function limitPromises(bench: RuntimeBench): void {
  if (bench.isIsolated)
    test('files in /tmp, /dev/shm and the home are bounded', async (t) => {
      await using sandbox = await tryRuntime(t, bench).start({ spec: { limits: LIMITS } })
      for (const place of ['/tmp', '/dev/shm', '/home/user']) {
        const filled = await run(
          sandbox,
          `head -c 40000000 /dev/zero > ${place}/large; stat -c %s ${place}/large`,
        )
        assert.ok(Number(filled.stdout) <= LIMITS.tmpBytes, `${place}: ${filled.stdout}`)
        await run(sandbox, ['rm', `${place}/large`])
      }
    })

  if (!bench.hasLimits) return

  test('a command that takes too much memory is killed for it, alone, and its end says so', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start({ spec: { limits: LIMITS } })
    const bystander = await sandbox.exec(ExecRequest.parse({ argv: ['sleep', '55'] }))
    const ran = await run(sandbox, ['python3', '-c', 'a = bytearray(400 * 1024 * 1024)'])
    assert.deepEqual(ran.end, { kind: 'signaled', signal: 'SIGKILL', isOom: true })
    assert.ok(sandbox.oomKills() >= 1)
    assert.equal((await run(sandbox, ['echo', 'alive'])).stdout, 'alive\n')
    await bystander.signal('SIGTERM')
    assert.deepEqual(await bystander.ended, { kind: 'signaled', signal: 'SIGTERM', isOom: false })
    const killed = await run(sandbox, 'kill -9 $$')
    assert.deepEqual(killed.end, { kind: 'signaled', signal: 'SIGKILL', isOom: false })
  })

  test('a fork bomb ends at the limit of processes, and the sandbox goes on', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start({ spec: { limits: LIMITS } })
    const bomb = await sandbox.exec(
      ExecRequest.parse({
        argv: [
          'python3',
          '-c',
          [
            'import os, time, sys',
            'count = 0',
            'try:',
            '  while count < 500:',
            '    if os.fork() == 0: time.sleep(60)',
            '    count += 1',
            'except OSError as error: print(count, error.errno, flush=True)',
            'time.sleep(60)',
          ].join('\n'),
        ],
      }),
    )
    for await (const { bytes } of bomb.output) {
      const [count, errno] = Buffer.from(bytes).toString().trim().split(' ').map(Number)
      assert.ok(count !== undefined && count > 5 && count < LIMITS.pids, String(count))
      assert.equal(errno, 11)
      break
    }
    await bomb.kill()
    await untilTrue(async () => {
      const ran = await run(sandbox, ['echo', 'alive']).catch((error) => error)
      return ran.stdout === 'alive\n'
    })
  })

  test('CPU time is counted', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start()
    const before = sandbox.cpuNs() ?? 0
    await run(sandbox, ['python3', '-c', 'import time\nwhile time.process_time() < 0.1: pass'])
    assert.ok((sandbox.cpuNs() ?? 0) - before >= 100_000_000)
  })

  test('a command gets no more open files and no larger files than the limits say', async (t) => {
    const limits = { ...LIMITS, openFiles: 256, diskBytes: 4 * MIB }
    await using sandbox = await tryRuntime(t, bench).start({ spec: { limits } })
    const ran = await run(
      sandbox,
      'ulimit -Hn; ulimit -c; head -c 9000000 /dev/zero > large; stat -c %s large',
    )
    assert.equal(ran.stdout, `256\n0\n${limits.diskBytes}\n`)
  })
}
