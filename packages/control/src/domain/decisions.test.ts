import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '@holdfast/base/failure'
import { FAILURES, type FailureCode } from '@holdfast/protocol/failures'
import { GenerationId, HostId, OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import { SANDBOX_SPEC_DEFAULT } from '@holdfast/protocol/sandbox-spec'
import { NEXT_STATUSES, WorkspaceStatus } from '@holdfast/protocol/workspace-status'
import fc from 'fast-check'
import { allowedActions } from './allowed-actions.ts'
import { canonicalJson } from './canonical-json.ts'
import { formatCursor, parseCursor } from './cursor.ts'
import { decideOpenFailure, OPEN_ATTEMPTS_MAX } from './decide-open-failure.ts'
import { decidePlacement } from './decide-placement.ts'
import { decideStop } from './decide-stop.ts'
import { parseWaitMs } from './duration.ts'
import { decideForkSource } from './fork-rules.ts'
import type { HostRecord } from './host.ts'
import { isIdleTimeOver } from './idle-timer.ts'
import { judgeReport } from './judge-report.ts'
import { moved } from './transitions.ts'
import { newWorkspace, type WorkspaceRecord } from './workspace.ts'

const HEAD = GenerationId.parse('a'.repeat(64))
const STATUSES = WorkspaceStatus.options

function record(changes: Partial<WorkspaceRecord> = {}): WorkspaceRecord {
  const id = WorkspaceId.parse(`ws_${'0'.repeat(26)}`)
  const seed = { id, org: OrgId.parse(`org_${'0'.repeat(26)}`), name: null, createdBy: 'u', labels: {} }
  const rest = { spec: SANDBOX_SPEC_DEFAULT, idleTimeoutMs: null, parent: null, forkedFrom: null }
  return { ...newWorkspace({ ...seed, ...rest }, 1), ...changes }
}

function host(letter: string, changes: Partial<HostRecord> = {}): HostRecord {
  return {
    ...{ id: HostId.parse(`host_${letter.repeat(26)}`), name: letter, address: '', bootId: '', version: '' },
    runtimes: [{ kind: 'runc', isolation: 'shared-kernel' }],
    ...{ volume: 'btrfs', status: 'ready', lastSeenAt: 0 },
    capacity: { cpus: 1, memoryBytes: 1, diskFreeBytes: 1, workspacesMax: 10 },
    ...changes,
  }
}

test('exactly the steps of the table are allowed, and others name what is', () => {
  for (const from of STATUSES)
    for (const to of STATUSES) {
      const step = () => moved(record({ status: from }), { to, at: 2 })
      if (NEXT_STATUSES[from].includes(to)) assert.equal(step().moves, 1)
      else
        assert.throws(step, {
          code: 'invalid-state',
          details: { status: from, allowed_actions: allowedActions(record({ status: from })).join(', ') },
        })
    }
})

test('only what rests is archived, and what is archived is only taken back or removed', () => {
  const archivable = STATUSES.filter((status) => allowedActions(record({ status })).includes('archive'))
  assert.deepEqual(archivable, ['stopped', 'failed'])
  assert.deepEqual(allowedActions(record({ archivedAt: 1 })), ['unarchive', 'remove'])
})

test('a stop ends where its outcome says, and goes back only to where something was', () => {
  const failure = { code: 'store-full', message: 'm', details: {} } as const
  const alive = { kind: 'not-saved', sandbox: 'alive', failure } as const
  assert.deepEqual(decideStop(alive, 'idle'), { to: 'idle', snapshotError: 'store-full: m' })
  assert.equal(decideStop(alive, 'failed').to, 'stopped')
  assert.equal(decideStop({ ...alive, sandbox: 'gone' }, 'idle').to, 'stopped')
})

test('placement gives never less isolation, and prefers room, the seed volume, the emptier host', () => {
  const [a, b, c] = [host('a'), host('b'), host('c', { status: 'draining' })]
  const strong = host('d', { runtimes: [{ kind: 'runsc', isolation: 'sandboxed-kernel' }] })
  const asked = {
    spec: SANDBOX_SPEC_DEFAULT,
    hosts: [a, b, c],
    load: new Map([[a.id, 3]]),
    seedHost: null,
    avoid: [],
  }
  const chosen = (question: Partial<typeof asked> | object) => {
    const placement = decidePlacement({ ...asked, ...question })
    return placement.kind === 'place' ? placement.host.name : placement.kind
  }
  assert.equal(chosen({}), 'b')
  assert.equal(chosen({ seedHost: a.id }), 'a')
  assert.equal(chosen({ seedHost: c.id }), 'b')
  assert.equal(chosen({ avoid: [b.id] }), 'a')
  assert.equal(chosen({ avoid: [a.id, b.id] }), 'b')
  assert.equal(chosen({ hosts: [] }), 'wait')
  assert.equal(chosen({ hosts: [a], load: new Map([[a.id, 10]]) }), 'wait')
  const untrusting = { ...SANDBOX_SPEC_DEFAULT, isolationMin: 'sandboxed-kernel' }
  assert.equal(chosen({ spec: untrusting }), 'impossible')
  assert.equal(chosen({ spec: untrusting, hosts: [a, strong] }), 'd')
  assert.equal(chosen({ spec: { ...SANDBOX_SPEC_DEFAULT, runtime: 'bwrap' } }), 'impossible')
  const writing = { ...SANDBOX_SPEC_DEFAULT, systemWrites: 'kept' }
  assert.equal(chosen({ spec: writing, hosts: [a] }), 'a')
  assert.equal(
    chosen({ spec: { ...writing, isolationMin: 'sandboxed-kernel' }, hosts: [strong] }),
    'impossible',
  )
})

test('every failure of an opening has a consequence, and no opening is tried for ever', () => {
  for (const code of Object.keys(FAILURES) as FailureCode[]) {
    const decision = decideOpenFailure(new Failure(code, ''), 1)
    const isFinal = ['refused', 'broken'].includes(FAILURES[code].kind)
    const isHopeful = code === 'lease-held' || code === 'isolation-unavailable'
    assert.equal(decision.kind, isFinal && !isHopeful ? 'fail' : 'again', code)
    assert.equal(decideOpenFailure(new Failure(code, ''), OPEN_ATTEMPTS_MAX).kind, 'fail')
  }
})

test('a fork captures what rests, takes the head of what is stopped, and refuses what moves', () => {
  assert.equal(decideForkSource(record({ status: 'idle' }), null).kind, 'capture')
  assert.deepEqual(decideForkSource(record({ status: 'stopped', head: HEAD }), null), {
    kind: 'generation',
    generation: HEAD,
  })
  assert.equal(decideForkSource(record({ status: 'failed' }), null).kind, 'empty')
  for (const status of ['busy', 'provisioning', 'stopping'] as const) {
    assert.throws(() => decideForkSource(record({ status }), null), { code: 'invalid-state' })
    assert.equal(decideForkSource(record({ status }), HEAD).kind, 'generation')
  }
})

test('rest is over only after the whole time since the last thing that happened', () => {
  const quiet = {
    idleTimeoutMs: 100,
    quietSinceAt: 0,
    movedAt: 0,
    lastExecAt: null,
    isExecRunning: false,
    nowMs: 100,
  }
  assert.ok(isIdleTimeOver(quiet))
  for (const change of [
    { nowMs: 99 },
    { quietSinceAt: null },
    { movedAt: 1 },
    { lastExecAt: 1 },
    { isExecRunning: true },
    { idleTimeoutMs: null },
  ])
    assert.ok(!isIdleTimeOver({ ...quiet, ...change }), JSON.stringify(change))
})

test('a host keeps what is its own, hands back what is not, and a successor is followed', () => {
  const [mine, other] = [host('a').id, host('b').id]
  const facts = (epoch: number, state = 'running') => ({ epoch, state }) as never
  const idle = record({ status: 'idle', host: mine, epoch: 3 })
  assert.equal(judgeReport(undefined, mine, facts(1)), 'unwanted')
  assert.equal(judgeReport(idle, mine, facts(3)), 'keep')
  assert.equal(judgeReport(idle, mine, facts(2)), 'unwanted')
  assert.equal(judgeReport(idle, other, facts(4)), 'adopt')
  assert.equal(judgeReport(idle, other, facts(3)), 'unwanted')
  assert.equal(judgeReport(record({ status: 'stopped', epoch: 3 }), other, facts(3)), 'unwanted')
  assert.equal(judgeReport(record({ status: 'provisioning', epoch: 3 }), other, facts(3)), 'leave')
})

test('a cursor comes back as it was, and nothing else is one', () => {
  const position = fc.record(
    { at: fc.nat(), id: fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/) },
    { noNullPrototype: true },
  )
  fc.assert(fc.property(position, (given) => assert.deepEqual(parseCursor(formatCursor(given)), given)))
  fc.assert(
    fc.property(
      fc.string().filter((text) => !/^\d{1,16}\.[A-Za-z0-9._-]{1,256}$/.test(text)),
      (text) => {
        assert.throws(() => parseCursor(text), { code: 'invalid-argument' })
      },
    ),
  )
})

test('one document has one canonical text, whatever the order of its names', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (document) => {
      const turned = Object.fromEntries(Object.entries(document).reverse())
      assert.equal(canonicalJson(turned), canonicalJson(document))
      assert.deepEqual(JSON.parse(canonicalJson(document)), JSON.parse(JSON.stringify(document)))
    }),
  )
})

test('waits are read in their units, up to a minute', () => {
  assert.deepEqual(['500ms', '30s', '2m', 'x', undefined].map(parseWaitMs), [500, 30_000, 60_000, 0, 0])
})
