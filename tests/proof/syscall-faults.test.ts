import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FAILURES, type FailureCode } from '@holdfast/protocol/failures'
import type { Operation } from './operations.ts'
import type { TracedCall } from './traced-calls.ts'
import { CALLS, type CommandEnd, type Injection, traceCommand } from './traced-commands.ts'
import { TriedHome } from './tried-home.ts'

const LONG = process.env.HOLDFAST_LONG !== undefined

type Errno = 'EIO' | 'ENOSPC' | 'EMFILE' | 'EEXIST'
/** A call, the end of the path it is about, what it answers, and how the command ends then. */
type Fault = readonly [keyof typeof CALLS, RegExp, Errno, FailureCode | 'ok']

const OBJECT = /store\/objects\/packs\/.*\/1\/[0-9a-f]{32}$/
const HISTORY = /index\.sqlite$/
const WAL = /index\.sqlite-wal$/

const FAULTS: Readonly<Record<'commit' | 'restore' | 'collect', readonly Fault[]>> = {
  commit: [
    ['open', /files\/large$/, 'EMFILE', 'source-failed'],
    ['read', HISTORY, 'EIO', 'index-unavailable'],
    ['read', OBJECT, 'EIO', 'store-unavailable'],
    ['write', WAL, 'ENOSPC', 'volume-full'],
    ['write', /store\/tmp\/./, 'ENOSPC', 'store-full'],
    ['write', /tree-state\.new$/, 'ENOSPC', 'ok'],
    ['sync', WAL, 'EIO', 'index-unavailable'],
    ['sync', /objects\/packs$/, 'EIO', 'store-unavailable'],
    ['close', /files\/rows\.db$/, 'EIO', 'source-failed'],
    ['close', /directory\.json$/, 'EIO', 'source-failed'],
    ['link', /store\/tmp\/./, 'EEXIST', 'already-exists'],
    ['rename', /writer\.pid\.new$/, 'EIO', 'source-failed'],
  ],
  restore: [
    ['read', OBJECT, 'EIO', 'store-unavailable'],
    ['write', /restoring-[^/]*\/rows\.db$/, 'ENOSPC', 'volume-full'],
    ['sync', /restoring-[^/]*$/, 'EIO', 'source-failed'],
    ['sync', /out$/, 'EIO', 'source-failed'],
    ['rename', /restoring-[^/]*$/, 'EIO', 'source-failed'],
  ],
  collect: [
    ['read', OBJECT, 'EIO', 'store-unavailable'],
    ['write', WAL, 'ENOSPC', 'volume-full'],
    ['sync', /objects\/packs\/.*\/1$/, 'EIO', 'store-unavailable'],
    ['unlink', OBJECT, 'EIO', 'store-unavailable'],
  ],
}

/** Those that there is time for in a long run. */
const MORE_FAULTS: typeof FAULTS = {
  commit: [
    ['open', /home\/dirs$/, 'EMFILE', 'source-failed'],
    ['open', OBJECT, 'EMFILE', 'store-unavailable'],
    ['read', /files\/large$/, 'EIO', 'source-failed'],
    ['write', /writer\.pid\.new$/, 'ENOSPC', 'volume-full'],
    ['sync', /tree-state\.new$/, 'EIO', 'ok'],
    ['close', /writer\.pid\.new$/, 'EIO', 'source-failed'],
    ['rename', /tree-state\.new$/, 'EIO', 'ok'],
  ],
  restore: [
    ['open', OBJECT, 'EMFILE', 'store-unavailable'],
    ['read', HISTORY, 'EIO', 'index-unavailable'],
    ['mkdir', /restoring-[^/]*\/d\d$/, 'ENOSPC', 'volume-full'],
  ],
  collect: [
    ['open', OBJECT, 'EMFILE', 'store-unavailable'],
    ['sync', WAL, 'EIO', 'index-unavailable'],
    ['close', /writer\.pid\.new$/, 'EIO', 'source-failed'],
    ['rename', /writer\.pid\.new$/, 'EIO', 'source-failed'],
  ],
}

/** What has another name in each run is met by counting all calls. */
const NAMED_ANEW = /store\/tmp\/.|\.restoring-/

/** Where to inject so that it hits the same call again. */
function placeOf(
  call: TracedCall,
  path: string,
  calls: readonly TracedCall[],
): Pick<Injection, 'name' | 'nth' | 'path'> {
  const { name, nth, thread } = call
  if (NAMED_ANEW.test(path)) return { name, nth }
  const before = calls.slice(0, calls.indexOf(call) + 1)
  const same = before.filter(
    (each) => each.thread === thread && each.name === name && each.paths.includes(path),
  )
  return { name, nth: same.length, path }
}

/** The first call of that kind on a path that ends so. */
function findCall(calls: readonly TracedCall[], kind: keyof typeof CALLS, where: RegExp) {
  const names: readonly string[] = CALLS[kind]
  for (const call of calls) {
    const path = names.includes(call.name) ? call.paths.find((each) => where.test(each)) : undefined
    if (path !== undefined) return { call, path }
  }
  return assert.fail(`no ${kind} of ${where}`)
}

/** The failure that was told; undefined for success. Anything else than one line of JSON would be a crash. */
function failureOf({ exitCode, stderr, stdout }: CommandEnd): FailureCode | undefined {
  if (exitCode === 0) {
    assert.ok(typeof JSON.parse(stdout) === 'object')
    return undefined
  }
  const { code }: { code: FailureCode } = JSON.parse(stderr).error
  assert.ok(code in FAILURES && code !== 'internal', stderr)
  return code
}

/** What could not be synced, closed or renamed is never tried again under the same descriptor: it is made anew, or given up. */
function assertGivenUp(calls: readonly TracedCall[]): void {
  const once: readonly string[] = [...CALLS.sync, ...CALLS.close, ...CALLS.rename]
  for (const [at, failed] of calls.entries()) {
    const [path] = failed.paths
    if (!failed.isInjected || path === undefined || !once.includes(failed.name)) continue
    for (const later of calls.slice(at + 1)) {
      if (CALLS.open.some((name) => name === later.name) && later.paths.includes(path)) break
      assert.ok(later.name !== failed.name || later.paths[0] !== path, `${later.name} of ${path} again`)
    }
  }
}

async function record(tried: TriedHome, operation: Operation): Promise<readonly TracedCall[]> {
  const plain = await traceCommand(tried, operation)
  assert.equal(failureOf(plain), undefined)
  return plain.calls
}

describe('a system call that fails', () => {
  for (const operation of ['commit', 'restore', 'collect'] as const) {
    test(`in a ${operation} is told by its name, loses nothing, and a later run succeeds`, async () => {
      using tried = await TriedHome.make(operation)
      tried.reset()
      const calls = await record(tried, operation)
      for (const [kind, where, errno, ends] of [
        ...FAULTS[operation],
        ...(LONG ? MORE_FAULTS[operation] : []),
      ]) {
        const { call, path } = findCall(calls, kind, where)
        tried.reset()
        const injection = { ...placeOf(call, path, calls), effect: `error=${errno}` }
        const end = await traceCommand(tried, operation, injection)
        const said = `${kind} of ${where}: ${errno}`
        assert.ok(
          end.calls.some((each) => each.isInjected && each.paths.some((one) => where.test(one))),
          said,
        )
        assert.equal(failureOf(end) ?? 'ok', ends, said)
        assertGivenUp(end.calls)
        await tried.assertSound(operation)
      }
    })
  }
})

/** One of each kind of name, or all of them where there is time. */
function callsThatMakeTheTarget(tried: TriedHome, calls: readonly TracedCall[]): TracedCall[] {
  const names: readonly string[] = [...CALLS.mkdir, ...CALLS.write, ...CALLS.sync, ...CALLS.rename]
  const inTarget = calls.filter(
    ({ name, paths }) => names.includes(name) && paths.some((path) => tried.isOut(path)),
  )
  const kinds = new Map(inTarget.map((call) => [`${call.name} ${call.paths[0]?.split('/').length}`, call]))
  return LONG ? inTarget : [...kinds.values()]
}

test('a restore that is killed at any call that makes its directory shows nothing or all, and the next one succeeds', async (t) => {
  using tried = await TriedHome.make('restore')
  tried.reset()
  const calls = callsThatMakeTheTarget(tried, await record(tried, 'restore'))
  for (const { name, nth } of calls) {
    tried.reset()
    const end = await traceCommand(tried, 'restore', { name, nth, effect: 'signal=SIGKILL' })
    // The native companion is what syncs, and dies alone.
    if (name === 'syncfs') assert.equal(failureOf(end), 'helper-failed')
    else assert.equal(end.exitCode, null, `${name} ${nth}`)
    await tried.assertSound('restore')
  }
  t.diagnostic(`killed at ${calls.map(({ name, nth }) => `${name} ${nth}`).join(', ')}`)
})
