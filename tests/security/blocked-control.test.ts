import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import type { Reply } from '@holdfast/control/control.fixture'
import { Installation } from '@holdfast/server/installation'
import type { RoleSettings } from '@holdfast/server/settings'
import { SupervisedRole } from '@holdfast/server/supervisor/supervised-role'
import { removeTree } from '@holdfast/testkit/remove-tree'

const LEASE_TTL_MS = 3000

/** Lease, control and a host as processes, with leases that are short. */
async function startRoles(stack: AsyncDisposableStack) {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-blocked-'))
  stack.defer(() => removeTree(home))
  const listen = { home, api: '127.0.0.1:0', apps: '127.0.0.1:0' }
  const rest = {
    store: null,
    database: null,
    runtimes: ['runc' as const],
    volume: 'live' as const,
    graceMs: 5000,
  }
  const installation = new Installation({ ...listen, ...rest }, systemRandomness)
  const ground = { clock: systemClock, randomness: systemRandomness, onChange: () => {} }
  const start = async (settings: RoleSettings) => {
    const role = new SupervisedRole({ ...ground, logPath: installation.logPath(settings.role) }, settings)
    stack.defer(() => role.stop(10_000))
    return { role, ready: await role.start() }
  }
  await start(installation.lease())
  const control = await start(installation.control())
  await start({ ...installation.host(), leaseTtlMs: LEASE_TTL_MS })
  const key = readFileSync(installation.adminKeyFile, 'utf8').trim()
  const ask = async (method: string, path: string, body?: unknown): Promise<Reply['body']> => {
    const response = await fetch(`${control.ready.publicUrl}/v1/workspaces${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return await response.json()
  }
  return { ask, controlPid: control.role.pid ?? 0 }
}

test('a control process that stands still for longer than a lease lasts fences no workspace', {
  timeout: 40_000,
}, async () => {
  await using stack = new AsyncDisposableStack()
  const { ask, controlPid } = await startRoles(stack)
  const made = await ask('POST', '?wait=15s', { name: 'steady' })
  assert.equal(made.status, 'idle', JSON.stringify(made))
  await ask('POST', '/steady/execs', { id: 'ticks', shell: 'while :; do echo >> ticks; sleep 0.05; done' })
  process.kill(controlPid, 'SIGSTOP')
  try {
    await delay(2 * LEASE_TTL_MS)
  } finally {
    process.kill(controlPid, 'SIGCONT')
  }
  const after = await ask('GET', '/steady')
  assert.deepEqual([after.epoch, after.host_id], [made.epoch, made.host_id])
  assert.match(after.status, /^(idle|busy)$/)
  const exec = await ask('GET', '/steady/execs/ticks')
  assert.equal(exec.status, 'running', JSON.stringify(exec))
  const ran = await ask('POST', '/steady/execs?wait=5s', { shell: 'wc -l < ticks' })
  assert.equal(ran.exec?.status ?? ran.status, 'exited', JSON.stringify(ran))
})
