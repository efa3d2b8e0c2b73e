import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { readBootId, systemBootClock } from './boot-clock.ts'

test('the boot clock goes on as the monotonic clock does while the machine is awake', async () => {
  const boot = systemBootClock.bootMs()
  const monotonic = performance.now()
  await delay(60)
  const passed = systemBootClock.bootMs() - boot
  assert.ok(Math.abs(passed - (performance.now() - monotonic)) < 25, `${passed} ms`)
  assert.ok(Number.isInteger(boot))
})

test('the boot clock counts time that the monotonic clock does not see', () => {
  const script = `
    import { systemBootClock } from ${JSON.stringify(import.meta.resolve('./boot-clock.ts'))}
    console.log(systemBootClock.bootMs(), Math.round(performance.timeOrigin + performance.now()))`
  const node = [process.execPath, '--input-type=module', '-e', script]
  const readings = (program: string, args: readonly string[]) =>
    execFileSync(program, args, { encoding: 'utf8', timeout: 20_000 }).split(' ').map(Number)
  const [bootMs = 0, wallMs = 0] = readings('unshare', ['-T', '--boottime', '100000', '--fork', ...node])
  const apart = bootMs - systemBootClock.bootMs() - 100_000_000
  assert.ok(Math.abs(apart) < 5_000, `${apart} ms off`)
  assert.ok(Math.abs(wallMs - performance.timeOrigin - performance.now()) < 5_000)
})

test('a boot has an identity that stays', () => {
  assert.match(readBootId(), /^[0-9a-f-]{36}$/)
  assert.equal(readBootId(), readBootId())
})

test('the boot clock shows what the kernel shows to all programs', () => {
  const shown = () => Math.round(Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000)
  for (let reading = 0; reading < 500; reading++) {
    const before = shown()
    const bootMs = systemBootClock.bootMs()
    assert.ok(before <= bootMs && bootMs <= shown(), `${before} ${bootMs}`)
  }
})
