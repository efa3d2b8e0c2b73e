import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type RuntimeBench, run, tryRuntime } from './runtime-bench.ts'

/** Prints `name errno` for what each call is answered with; fsync on no descriptor tells whether it is carried out. */
const SYNC_PROBE = `
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def errno(call, *arguments):
    ctypes.set_errno(0)
    return 0 if getattr(libc, call)(*arguments) == 0 else ctypes.get_errno()
page = ctypes.c_void_p(1)
print(errno('fsync', -1), errno('fdatasync', -1), errno('syncfs', -1), errno('sync_file_range', -1, 0, 0, 0),
      errno('msync', page, 4096, 4), errno('msync', page, 4096, 1))
`
const EBADF = 9
const EINVAL = 22

export function containmentPromises(bench: RuntimeBench): void {
  if (bench.isIsolated) isolationPromises(bench)

  for (const policy of bench.isRelaxable ? (['relaxed', 'native'] as const) : (['native'] as const))
    test(`the fsync policy ${policy} is what is told, and what holds`, async (t) => {
      await using sandbox = await tryRuntime(t, bench).start({ spec: { fsync: policy } })
      assert.equal(sandbox.fsync, policy)
      const ran = await run(sandbox, ['python3', '-c', SYNC_PROBE])
      const native = `${EBADF} ${EBADF} ${EBADF} ${EBADF} ${EINVAL} ${EINVAL}\n`
      assert.equal(ran.stdout, policy === 'native' ? native : `0 0 0 0 0 ${EINVAL}\n`, ran.stderr)
    })

  test('user code asks its host with `hold`, and gets the answer', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start()
    sandbox.onGuestCall(async (call) => ({ exitCode: 4, text: `asked for ${call.kind}\n` }))
    const ran = await run(sandbox, ['hold', 'sync'])
    assert.deepEqual([ran.exitCode, ran.stdout], [4, 'asked for sync\n'], ran.stderr)
  })
}

function isolationPromises(bench: RuntimeBench): void {
  test('the guest sees no process of the host, and is told nothing of it', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start()
    const ran = await run(sandbox, 'ls -d /proc/[0-9]* | wc -l; hostname; cat /proc/1/environ; ls /proc/1/fd')
    const [count, hostname] = ran.stdout.split('\n')
    assert.ok(Number(count) < 10, `${count} processes`)
    assert.equal(hostname, 'workspace')
    assert.doesNotMatch(ran.stdout, /=/)
  })

  test('two sandboxes side by side do not see each other', async (t) => {
    const trial = tryRuntime(t, bench)
    await using one = await trial.start()
    await using other = await trial.start()
    const server =
      'python3 -m http.server --bind 127.0.0.1 9123 & echo secret-of-one > /tmp/mine; sleep 54 & wait'
    const { ExecRequest } = await import('@holdfast/protocol/exec')
    const running = await one.exec(ExecRequest.parse({ argv: ['sh', '-c', server] }))
    const seen = await run(other, 'cat /tmp/mine; cat /proc/[0-9]*/cmdline | tr "\\0" " "; ls /workspace')
    assert.doesNotMatch(seen.stdout, /secret-of-one|http\.server|sleep 54/)
    await assert.rejects(other.connect(9123))
    await running.kill()
  })

  test('the network is lo and nothing else', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start()
    const ran = await run(sandbox, [
      'python3',
      '-c',
      [
        'import socket',
        'print([name for _, name in socket.if_nameindex()])',
        'server = socket.create_server(("127.0.0.1", 8123))',
        'socket.create_connection(("127.0.0.1", 8123), 2); print("lo")',
        'for address in [("1.1.1.1", 53), ("169.254.169.254", 80), ("10.0.0.1", 80)]:',
        '  try: socket.create_connection(address, 2); print("out", address)',
        '  except OSError as error: print(error.errno)',
      ].join('\n'),
    ])
    assert.match(ran.stdout, /^\['lo'.*\]\nlo\n101\n101\n101\n$/, ran.stderr)
  })

  test('the system is read-only, and what is private to the host is not there', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start()
    const places = `/ /etc /usr /usr/bin /lib /home /proc/sys/kernel ${bench.hasRoot ? '/run/holdfast' : ''}`
    const written = await run(sandbox, `for place in ${places}; do touch $place/x && echo $place; done`)
    assert.equal(written.stdout, '')
    const seen = await run(
      sandbox,
      `ls /usr/local /etc/shadow /sys/kernel /root ${bench.hasRoot ? '/run/holdinit' : ''}`,
    )
    assert.doesNotMatch(seen.stdout, /[a-z]+\.[a-z]+|bin/)
    assert.equal(await ownHostname(sandbox), 'workspace\n')
    const tmp = await run(sandbox, 'echo a > /tmp/a && echo b > $HOME/b && echo c > /dev/shm/c && echo ok')
    assert.equal(tmp.stdout, 'ok\n', tmp.stderr)
  })

  test('commands have no capability, no new privileges, and a filter', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start()
    const { stdout } = await run(sandbox, ['grep', '-E', '^(Cap|NoNewPrivs|Seccomp:)', '/proc/self/status'])
    const status = Object.fromEntries(stdout.split('\n').map((line) => line.split(':\t')))
    const sets = ['CapInh', 'CapPrm', 'CapEff', 'CapAmb', ...(bench.hasRoot ? ['CapBnd'] : [])]
    for (const set of sets) assert.equal(Number.parseInt(status[set], 16), 0, set)
    assert.equal(status.NoNewPrivs, '1')
    assert.equal(status.Seccomp, '2')
  })

  test('a link in the volume leads nowhere on the host', async (t) => {
    const trial = tryRuntime(t, bench)
    const volumePath = trial.volume()
    await using sandbox = await trial.start({ volumePath })
    const ran = await run(sandbox, 'ln -s /etc/passwd link; cat link')
    assert.match(ran.stdout, /^user:x:1000:/m)
    assert.notEqual(ran.stdout, readFileSync('/etc/passwd', 'utf8'))
    assert.ok(join(volumePath, 'link'))
  })
}

async function ownHostname(sandbox: Parameters<typeof run>[0]): Promise<string> {
  return (await run(sandbox, ['cat', '/etc/hostname'])).stdout
}
