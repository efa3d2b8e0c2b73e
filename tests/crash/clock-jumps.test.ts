import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '@holdfast/base/clock'
import { Installation, LEASE_TTL_MS } from './installation.ts'
import { Ledger } from './ledger.ts'
import type { RoleGround } from './role-process.ts'

const TRIPLET = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu'
const LIBRARY = `/usr/lib/${TRIPLET}/faketime/libfaketime.so.1`
const RENEWALS_MS = LEASE_TTL_MS / 2
const HOUR_MS = 3_600_000

/** The wall clock of a role, which a test sets while it runs; its monotonic and boot clocks are true. */
class JumpingClock implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'holdfast-clock-'))
  readonly #path = join(this.#folder, 'offset')

  constructor() {
    this.jump('-1h')
    const environment = { ...process.env, ...this.ground.environment }
    const shown = execFileSync(process.execPath, ['-p', '+new Date()'], {
      env: environment,
      encoding: 'utf8',
    })
    assert.ok(
      Number(shown) < systemClock.wallMs() - HOUR_MS + 60_000,
      'the Debian package faketime does not work here',
    )
    this.jump('+0')
  }

  get ground(): RoleGround {
    const environment = {
      LD_PRELOAD: LIBRARY,
      FAKETIME_TIMESTAMP_FILE: this.#path,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    }
    return { wrapper: [], environment }
  }

  /** By an offset as faketime(1) has them: `-1h`, `+1d`. */
  jump(offset: string): void {
    writeFileSync(this.#path, `${offset}\n`)
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true })
  }
}

test('wall clocks that jump by an hour and by a day, of each role, end no lease and lose nothing', {
  timeout: 60_000,
}, async () => {
  const roles = ['a', 'b', 'lease', 'control'] as const
  await using stack = new AsyncDisposableStack()
  const clocks = roles.map((role) => ({ role, clock: stack.use(new JumpingClock()) }))
  const grounds = Object.fromEntries(clocks.map(({ role, clock }) => [role, clock.ground]))
  const installation = stack.use(await Installation.start({ grounds }))
  const workspace = await installation.client.create()
  const ledger = await Ledger.begin(workspace)
  const { epoch } = (await workspace.refresh()).state
  for (const offset of ['-1h', '+1d'])
    for (const { role, clock } of clocks) {
      clock.jump(offset)
      await delay(RENEWALS_MS)
      await ledger.sync()
      const { state, status } = await workspace.refresh()
      assert.deepEqual([state.epoch, status], [epoch, 'idle'], `${role} at ${offset}`)
    }
  await ledger.rest()
  await ledger.audit()
})

test('a workspace whose host is lost is recovered although the clock of control was set back a day', {
  timeout: 60_000,
}, async () => {
  using clock = new JumpingClock()
  clock.jump('+1d')
  await using installation = await Installation.start({ grounds: { control: clock.ground } })
  const workspace = await installation.client.create()
  const ledger = await Ledger.begin(workspace)
  await ledger.sync()
  const { epoch } = (await workspace.refresh()).state
  await installation.host(installation.hostOf(workspace) ?? '').kill()
  clock.jump('+0')
  await installation.recovered(workspace, epoch)
  await ledger.audit()
})
