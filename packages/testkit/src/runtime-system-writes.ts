import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { LIMITS_DEFAULT } from '@holdfast/protocol/sandbox-spec'
import { type RuntimeBench, run, tryRuntime } from './runtime-bench.ts'

const MIB = 1024 * 1024

export function systemWritePromises(bench: RuntimeBench): void {
  if (!bench.hasWritableSystem) {
    test('a system that can be written is refused where there is none', async (t) => {
      for (const systemWrites of ['discarded', 'kept'] as const)
        await assert.rejects(tryRuntime(t, bench).start({ spec: { systemWrites } }), (error) =>
          isFailure(error, 'invalid-argument'),
        )
    })
    return
  }

  for (const user of ['user', 'root'] as const)
    test(`a system can be written by its owner, of whom nothing is left afterwards (${user})`, async (t) => {
      const trial = tryRuntime(t, bench)
      const spec = { systemWrites: 'discarded', allowRoot: user === 'root' } as const
      {
        await using sandbox = await trial.start({ spec })
        const script = `set -e
          mkdir -p /usr/local/lib/made /usr/local/bin /new; echo 'echo own' > /usr/local/bin/own && chmod +x /usr/local/bin/own
          own; rm /usr/bin/env; echo changed >> /etc/hosts; mv /etc/hostname /etc/other; rm -r /usr/share/common-licenses
          mkdir /usr/share/common-licenses; ls /usr/share/common-licenses; test ! -e /usr/bin/env; ls -d /etc/other /new
          stat -c %U /usr/bin/ls /usr/local/bin/own; ls /usr/local`
        const ran = await run(sandbox, script, { user })
        assert.equal(ran.stdout, `own\n/etc/other\n/new\n${user}\n${user}\nbin\nlib\n`, ran.stderr)
      }
      await using fresh = await trial.start({ spec })
      const ran = await run(fresh, 'ls /usr/local; env true; tail -n 1 /etc/hosts; test -e /new || echo gone')
      assert.equal(ran.stdout, '::1 localhost ip6-localhost\ngone\n', ran.stderr)
      assert.ok(
        existsSync('/usr/bin/env') && existsSync('/usr/share/common-licenses'),
        'the host has all it had',
      )
    })

  test('a package manager installs into the system, as root', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start({
      spec: { systemWrites: 'discarded', allowRoot: true },
    })
    const script = `set -e
      mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates /var/log package/DEBIAN package/usr/bin
      touch /var/lib/dpkg/status
      printf 'Package: told\nVersion: 1\nArchitecture: all\nMaintainer: a\nDescription: b\n' > package/DEBIAN/control
      printf '#!/bin/sh\necho configured\n' > package/DEBIAN/postinst
      printf '#!/bin/sh\necho told\n' > package/usr/bin/told
      chmod +x package/usr/bin/told package/DEBIAN/postinst
      dpkg-deb --root-owner-group --build package told.deb >/dev/null
      dpkg --install told.deb && told && dpkg --list told | tail -n 1`
    const ran = await run(sandbox, script, { user: 'root' })
    assert.match(ran.stdout, /\nconfigured\ntold\nii {2}told/, ran.stderr + ran.stdout)
    assert.equal((await run(sandbox, 'told')).stdout, 'told\n')
  })

  test('who is not the owner of the system writes none of it', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start({
      spec: { systemWrites: 'discarded', allowRoot: true },
    })
    const ran = await run(
      sandbox,
      'for place in / /etc /usr /usr/bin; do touch $place/x && echo $place; done',
    )
    assert.equal(ran.stdout, '')
  })

  test('what is written to a system without being kept is bounded', async (t) => {
    const limits = { ...LIMITS_DEFAULT, tmpBytes: 16 * MIB }
    await using sandbox = await tryRuntime(t, bench).start({ spec: { systemWrites: 'discarded', limits } })
    const ran = await run(sandbox, 'head -c 32M /dev/zero > /usr/big; stat -c %s /usr/big')
    assert.match(ran.stderr, /No space left/)
    assert.ok(Number(ran.stdout) <= limits.tmpBytes)
  })

  test('a system that can be written has no devices, no set-user-id, and none of the host', async (t) => {
    await using sandbox = await tryRuntime(t, bench).start({
      spec: { systemWrites: 'discarded', allowRoot: true },
    })
    const script = `mknod /usr/null c 1 3 2>/dev/null && echo device; mknod /usr/gone c 0 0 2>/dev/null && echo whiteout
      cp /usr/bin/id /usr/bin/set-id; chmod 4755 /usr/bin/set-id; ls /run/holdfast/root /up /l0 2>/dev/null
      mount -t tmpfs x /mnt 2>/dev/null && echo mounted; umount /usr 2>/dev/null && echo unmounted; true`
    assert.equal((await run(sandbox, script, { user: 'root' })).stdout, '')
    assert.match((await run(sandbox, 'set-id')).stdout, /^uid=1000\(user\) gid=1000\(user\)/)
    assert.doesNotMatch((await run(sandbox, 'set-id')).stdout, /euid=/)
    const mounts = await run(sandbox, "grep ' overlay ' /proc/mounts")
    assert.doesNotMatch(mounts.stdout.replaceAll(/nosuid,nodev/g, ''), /suid|dev,/)
  })
}
