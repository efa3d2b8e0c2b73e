import assert from 'node:assert/strict'
import { lstatSync, mkdirSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { SANDBOX_SPEC_DEFAULT } from '@holdfast/protocol/sandbox-spec'
import { keptSystemPath, makeKeptSystem } from '@holdfast/sandbox/system/kept-system'
import { type RuntimeBench, run, tryRuntime } from './runtime-bench.ts'

const WRITE = `set -e
  mkdir -p /usr/local/bin /new && echo 'echo own' > /usr/local/bin/own && chmod +x /usr/local/bin/own
  rm /usr/bin/env; rm -r /usr/share/common-licenses; mkdir /usr/share/common-licenses; echo changed >> /etc/hosts; rm /etc/hostname
  ln -s nowhere /new/link`
const READ = `own; ls -A /usr/share/common-licenses; test -e /usr/bin/env || echo no env; tail -n 1 /etc/hosts
  test -e /etc/hostname || echo no name; readlink /new/link; stat -c %U /new /usr/bin/ls`

export function keptSystemPromises(bench: RuntimeBench): void {
  if (!bench.hasWritableSystem) return

  for (const user of ['user', 'root'] as const)
    test(`what is written to a system that is kept is there in the next sandbox of the volume (${user})`, async (t) => {
      const trial = tryRuntime(t, bench)
      const volumePath = trial.volume()
      const spec = { systemWrites: 'kept', allowRoot: user === 'root' } as const
      {
        await using sandbox = await trial.start({ spec, volumePath })
        assert.equal((await run(sandbox, WRITE, { user })).stderr, '')
        // The next one has other ids, as long as this one lives.
        await using other = await trial.start({ spec })
        assert.equal((await run(other, 'ls /usr/local; env true')).exitCode, 0)
      }
      await using blocker = await trial.start()
      await using sandbox = await trial.start({ spec, volumePath })
      const ran = await run(sandbox, READ)
      const told = `own\nno env\nchanged\nno name\nnowhere\n${user}\n${user}\n`
      assert.equal(ran.stdout, told, ran.stderr)
      assert.equal((await run(blocker, 'env true')).exitCode, 0)
    })

  for (const user of ['user', 'root'] as const)
    test(`a guest neither sees nor moves what the host keeps in its volume (${user})`, async (t) => {
      const trial = tryRuntime(t, bench)
      const volumePath = trial.volume()
      await using sandbox = await trial.start({
        spec: { systemWrites: 'kept', allowRoot: user === 'root' },
        volumePath,
      })
      const attempts = [
        ...['ls .holdfast', 'cd .holdfast', 'touch .holdfast/x', 'chmod 777 .holdfast', 'chown 0 .holdfast'],
        ...['mv .holdfast other', 'rm -rf .holdfast', 'rmdir .holdfast', 'ln -sfn /etc .holdfast'],
        'ls .holdfast/system/root/upper',
      ]
      const line = attempts.map((attempt) => `(${attempt}) 2>/dev/null && echo "done: ${attempt}"`).join('\n')
      assert.equal((await run(sandbox, `${line}\ntrue`, { user })).stdout, '')
      assert.ok(lstatSync(join(volumePath, '.holdfast')).isDirectory())
      assert.deepEqual(readdirSync(join(volumePath, '.holdfast')), ['system'])
      assert.equal((await run(sandbox, 'echo own > own; cat own')).stdout, 'own\n')
    })

  test('what a guest has left in the place of the host is set aside', async (t) => {
    const trial = tryRuntime(t, bench)
    const [volumePath, outside] = [trial.volume(), trial.volume()]
    symlinkSync(outside, join(volumePath, '.holdfast'))
    const spec = { systemWrites: 'kept' } as const
    await using sandbox = await trial.start({ spec, volumePath })
    assert.equal((await run(sandbox, 'echo x > /usr/x; cat /usr/x')).stdout, 'x\n')
    assert.equal(readlinkSync(join(volumePath, '.holdfast.aside-1')), outside)
    assert.deepEqual(readdirSync(outside), [])
  })

  test('no link or mark in a kept system leads a mount, or the host, elsewhere', async (t) => {
    const trial = tryRuntime(t, bench)
    const [volumePath, outside] = [trial.volume(), trial.volume()]
    makeKeptSystem(volumePath)
    const upper = join(keptSystemPath(volumePath), 'root', 'upper')
    mkdirSync(upper, { recursive: true })
    for (const name of ['run', 'proc', 'dev', 'tmp', 'home', 'workspace', 'usr', 'etc'])
      symlinkSync(outside, join(upper, name))
    symlinkSync(outside, join(keptSystemPath(volumePath), 'root+usr'))
    writeFileSync(join(upper, 'kept'), 'kept\n')
    const spec = { systemWrites: 'kept' } as const
    await using sandbox = await trial.start({ spec, volumePath })
    const ran = await run(
      sandbox,
      'cat /kept; echo x > /usr/x; ls /proc/self/status; hold fsync >/dev/null; id -un',
    )
    assert.equal(ran.stdout, 'kept\n/proc/self/status\nuser\n', ran.stderr)
    assert.deepEqual(readdirSync(outside), [])
  })

  test('a sandbox that waits has no kept system: it begins with its volume', async (t) => {
    const { runtime, folder } = tryRuntime(t, bench)

    const spec = { ...SANDBOX_SPEC_DEFAULT, systemWrites: 'kept' as const }
    const request = { id: `kept-${process.pid}`, folder: join(folder, 'kept'), spec, deadlineBootMs: 0 }
    await assert.rejects(
      async () => await runtime.prepare?.(request),
      (error) => isFailure(error, 'invalid-argument'),
    )
  })
}
