import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import { systemRandomness } from '@holdfast/base/randomness'
import { ExecId, HostId, OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import { SANDBOX_SPEC_DEFAULT } from '@holdfast/protocol/sandbox-spec'
import type { NewEvent } from '../domain/event.ts'
import type { ExecRecord } from '../domain/exec.ts'
import type { HostRecord } from '../domain/host.ts'
import { newWorkspace, type WorkspaceRecord } from '../domain/workspace.ts'
import type { Deps } from '../operations/context.ts'
import { verifyAudit } from '../operations/verify-audit.ts'
import type { Store } from '../ports/store.ts'

export interface OpenedStore extends AsyncDisposable {
  readonly store: Store
  /** A second replica, or undefined where one process is alone. */
  readonly beside?: Store
  /** Changes a stored byte behind the store's back. */
  tamper(sql: string): Promise<void>
}

const ORG = OrgId.parse(`org_${'0'.repeat(26)}`)
const OTHER_ORG = OrgId.parse(`org_${'1'.repeat(26)}`)
const HOST: HostRecord = {
  ...{ id: HostId.parse(`host_${'0'.repeat(26)}`), name: 'h', address: 'unix:/h', bootId: 'b', version: '1' },
  ...{ runtimes: [], volume: 'live', status: 'ready', lastSeenAt: 1 },
  capacity: { cpus: 1, memoryBytes: 1, diskFreeBytes: 1, workspacesMax: 1 },
}

function workspace(name: string | null = null, labels: Record<string, string> = {}): WorkspaceRecord {
  const id = WorkspaceId.parse(newIdentifier('ws', systemRandomness))
  const seed = { id, org: ORG, name, createdBy: 'u', labels, spec: SANDBOX_SPEC_DEFAULT }
  return newWorkspace({ ...seed, idleTimeoutMs: null, parent: null, forkedFrom: null }, 1000)
}

function event(category: NewEvent['category'] = 'activity', payload: Record<string, unknown> = {}): NewEvent {
  return { category, type: 't', org: ORG, workspace: null, actor: 'a', source: 'control', at: 1, payload }
}

function exec(of: WorkspaceRecord, id: string): ExecRecord {
  const state = {
    id: ExecId.parse(id),
    status: 'running',
    reason: null,
    exitCode: null,
    signal: null,
  } as const
  return {
    ...{ workspace: of.id, org: ORG, host: HostId.parse(`host_${'0'.repeat(26)}`), epoch: 1, createdBy: 'u' },
    request: { argv: ['true'], cwd: '/workspace', environment: {}, user: 'user', stdin: false },
    state: { ...state, startedAt: 5, endedAt: null, lastSequence: 0 },
  }
}

/** The promises of the port, for every adapter. */
export function storeConformance(name: string, open: () => Promise<OpenedStore>): void {
  async function opened(): Promise<OpenedStore> {
    const found = await open()
    await found.store.write((changes) => changes.orgs.insert({ id: ORG, name: 'o', createdAt: 1 }, 'u'))
    return found
  }

  test(`${name}: what a transaction wrote is there once it resolves, and nothing of one that rejects`, async () => {
    await using found = await opened()
    const { store } = found
    const [kept, dropped] = [workspace('kept'), workspace('dropped')]
    const writes = [
      store.write((changes) => changes.workspaces.insert(kept)),
      store.write(async (changes) => {
        await changes.workspaces.insert(dropped)
        changes.emit(event())
        throw new Failure('invalid-state', 'on purpose')
      }),
      store.write(async (changes) => changes.emit(event())),
    ]
    const results = await Promise.allSettled(writes)
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.deepEqual(await store.read.workspaces.byId(kept.id), kept)
    assert.equal(await store.read.workspaces.byId(dropped.id), undefined)
    assert.equal(await store.read.events.lastId(), 1)
  })

  test(`${name}: transactions that change one record do not lose one another's changes`, async () => {
    await using found = await opened()
    const record = workspace()
    await found.store.write((changes) => changes.workspaces.insert(record))
    const stores = [found.store, found.beside ?? found.store]
    await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        (stores[index % 2] ?? found.store).write(async (changes) => {
          const current = await changes.workspaces.take(record.id)
          if (current) await changes.workspaces.save({ ...current, moves: current.moves + 1 })
        }),
      ),
    )
    assert.equal((await found.store.read.workspaces.byId(record.id))?.moves, 40)
  })

  test(`${name}: of several that find no org at once, one makes it`, async () => {
    await using found = await open()
    const stores = [found.store, found.beside ?? found.store] as const
    const first = (store: typeof found.store, id: OrgId) =>
      store.write(async (changes) => {
        if (await changes.orgs.any()) return false
        await delay(20)
        await changes.orgs.insert({ id, name: 'o', createdAt: 1 }, `user-${id}`)
        return true
      })
    const outcomes = await Promise.all([first(stores[0], ORG), first(stores[1], OTHER_ORG)])
    assert.deepEqual(outcomes.toSorted(), [false, true])
  })

  test(`${name}: a host that is changed beside its reports keeps the change`, async () => {
    await using found = await open()
    await found.store.write((changes) => changes.hosts.put(HOST))
    const change = (store: typeof found.store, part: Partial<HostRecord>) =>
      store.write(async (changes) => {
        const host = await changes.hosts.byId(HOST.id)
        await delay(20)
        if (host) await changes.hosts.put({ ...host, ...part })
      })
    await Promise.all([
      change(found.store, { lastSeenAt: 9 }),
      change(found.beside ?? found.store, { status: 'draining' }),
    ])
    const host = await found.store.read.hosts.byId(HOST.id)
    assert.deepEqual([host?.lastSeenAt, host?.status], [9, 'draining'])
  })

  test(`${name}: a name is unique in its org until its workspace is removed`, async () => {
    await using found = await opened()
    const { store } = found
    const first = workspace('n')
    await store.write((changes) => changes.workspaces.insert(first))
    await assert.rejects(
      store.write((changes) => changes.workspaces.insert(workspace('n'))),
      { code: 'already-exists' },
    )
    await store.write((changes) => changes.workspaces.save({ ...first, removedAt: 9 }))
    const second = workspace('n', { a: 'b' })
    await store.write((changes) => changes.workspaces.insert(second))
    assert.equal((await store.read.workspaces.find(ORG, 'n'))?.id, second.id)
    const labelled = { org: ORG, labels: [['a', 'b']] as const, includeArchived: false, limit: 5 }
    assert.deepEqual(
      (await store.read.workspaces.list(labelled)).map(({ id }) => id),
      [second.id],
    )
    assert.equal(await store.read.workspaces.find(OrgId.parse(`org_${'9'.repeat(26)}`), 'n'), undefined)
  })

  test(`${name}: events are numbered without a gap, in the order in which they become visible`, async () => {
    await using found = await opened()
    const stores = [found.store, found.beside ?? found.store]
    let isWriting = true
    const seen: number[] = []
    const reading = (async () => {
      while (isWriting || seen.length < 60) {
        const batch = await found.store.read.events.list({ org: ORG, afterId: seen.at(-1) ?? 0, limit: 100 })
        seen.push(...batch.map(({ id }) => id))
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        (stores[index % 2] ?? found.store).write(async (changes) => {
          changes.emit(event('activity', { index }))
          changes.emit(event('audit', { index }))
        }),
      ),
    )
    isWriting = false
    await reading
    assert.deepEqual(
      seen,
      Array.from({ length: 60 }, (_, index) => index + 1),
    )
    const newest = await found.store.read.events.list({ org: ORG, category: 'audit', limit: 2 })
    assert.ok(
      newest.every(({ category }) => category === 'audit') && (newest[0]?.id ?? 0) > (newest[1]?.id ?? 0),
    )
  })

  test(`${name}: old activity goes in small batches and the audit stays, and how far it went is told`, async () => {
    await using found = await opened()
    const { store } = found
    const tell = (category: 'activity' | 'audit', at: number, source: 'control' | 'host' = 'control') =>
      store.write(async (changes) => changes.emit({ ...event(category, {}), at, source }))
    const removed = (at: number, rowsMax: number) =>
      store.write((changes) => changes.events.removeBefore(at, rowsMax))
    const kept = async () =>
      (await store.read.events.list({ org: ORG, afterId: 0, limit: 100 })).map(({ id }) => id)
    assert.equal(await store.read.events.removedThrough(), 0)
    await tell('activity', 1)
    await tell('audit', 1)
    await tell('activity', 900, 'host') // its clock is ahead
    await tell('activity', 2)
    await tell('activity', 3, 'host')
    await tell('activity', 500, 'host')
    await tell('activity', 100)
    await tell('activity', 1, 'host') // its clock is behind
    assert.equal(await removed(100, 2), true)
    assert.deepEqual([await kept(), await store.read.events.removedThrough()], [[2, 3, 4, 5, 6, 7, 8], 2])
    assert.equal(await removed(100, 100), false)
    assert.deepEqual([await kept(), await store.read.events.removedThrough()], [[2, 6, 7, 8], 5])
    assert.equal(await removed(100, 100), false)
    assert.deepEqual(await kept(), [2, 6, 7, 8])
    assert.equal(await (found.beside ?? store).read.events.removedThrough(), 5)
    assert.equal((await store.read.events.auditRows(ORG, 0, 10)).length, 1)
    await tell('activity', 4)
    assert.equal((await kept()).at(-1), 9, 'numbers go on')
  })

  test(`${name}: commands that ended long ago go, and those that run stay`, async () => {
    await using found = await opened()
    const { store } = found
    const made = workspace('w')
    await store.write(async (changes) => {
      await changes.workspaces.insert(made)
      for (const [id, endedAt] of [
        ['a', 1],
        ['b', 2],
        ['c', 3],
        ['d', 100],
        ['e', null],
      ] as const) {
        const record = exec(made, id)
        await changes.execs.insert({ ...record, state: { ...record.state, endedAt } })
      }
    })
    const removed = (rowsMax: number) =>
      store.write((changes) => changes.execs.removeEndedBefore(100, rowsMax))
    const kept = async () =>
      (await store.read.execs.list({ workspace: made.id, limit: 10 })).map(({ state }) => state.id).toSorted()
    assert.equal(await removed(2), true)
    assert.deepEqual(await kept(), ['c', 'd', 'e'])
    assert.equal(await removed(2), false)
    assert.deepEqual(await kept(), ['d', 'e'])
  })

  for (const [what, sql] of [
    ['an edit', `UPDATE control_events SET payload = '{"forged":1}' WHERE id = 3`],
    ['an edited actor', `UPDATE control_events SET actor = 'b' WHERE id = 3`],
    ['a dropped row', 'DELETE FROM control_events WHERE id = 3'],
    ['a cut end', 'DELETE FROM control_events WHERE id >= 5'],
    ['a reordering', 'UPDATE control_events SET id = 1000 WHERE id = 2'],
  ] as const)
    test(`${name}: the audit's chain shows ${what}`, async () => {
      await using found = await opened()
      const { store } = found
      for (let count = 0; count < 5; count++)
        await store.write(async (changes) =>
          changes.emit(event('audit', { count, nested: { b: 1, a: ['ü'] } })),
        )
      const deps = { store } as Deps
      const caller = { org: ORG, user: '', actor: '', scopes: [], randomness: systemRandomness }
      assert.equal((await verifyAudit(deps, caller)).brokenAt, null)
      await found.tamper(sql)
      assert.notEqual((await verifyAudit(deps, caller)).brokenAt, null)
    })

  test(`${name}: commands are found, listed newest first, and known to run or not`, async () => {
    await using found = await opened()
    const { store } = found
    const record = workspace()
    const ended = exec(record, 'b')
    await store.write(async (changes) => {
      await changes.workspaces.insert(record)
      await changes.execs.insert(exec(record, 'a'))
      await changes.execs.insert(ended)
    })
    const state = { ...ended.state, status: 'exited', exitCode: 0, endedAt: 9 } as const
    await store.write((changes) => changes.execs.save({ ...ended, state }))
    const { execs } = store.read
    assert.deepEqual(
      (await execs.list({ workspace: record.id, limit: 9 })).map((found) => found.state.id),
      ['b', 'a'],
    )
    assert.deepEqual(
      (await execs.running(record.id)).map((found) => found.state.id),
      ['a'],
    )
    assert.deepEqual(await execs.lastActivity(record.id), { at: 9, isRunning: true })
  })

  test(`${name}: what is put again replaces, a report counts once, and drills are numbered`, async () => {
    await using found = await opened()
    const { store } = found
    const record = workspace()
    const answer = { org: ORG, key: 'k', fingerprint: 'f', status: 201, body: '{}', expiresAt: 50 }
    const drill = {
      workspace: record.id,
      generation: 'g',
      outcome: 'verified',
      detail: '',
      tookMs: 1,
      at: 1,
    } as never
    const isNews = await store.write(async (changes) => {
      await changes.answers.put(answer)
      await changes.answers.put({ ...answer, fingerprint: 'g' })
      await changes.drills.insert(ORG, drill)
      await changes.drills.insert(ORG, drill)
      return [await changes.reports.note('r', 1), await changes.reports.note('r', 2)]
    })
    assert.deepEqual(isNews, [true, false])
    assert.equal((await store.read.answers.find(ORG, 'k'))?.fingerprint, 'g')
    assert.deepEqual(
      (await store.read.drills.list({ org: ORG, limit: 9 })).map(({ id }) => id),
      [2, 1],
    )
    await store.write((changes) => changes.answers.removeExpired(50))
    assert.equal(await store.read.answers.find(ORG, 'k'), undefined)
  })

  test(`${name}: who listens is told which workspaces changed, after they did`, async () => {
    await using found = await opened()
    const told: string[] = []
    found.store.onCommitted(({ workspaces }) => told.push(...workspaces))
    const record = workspace()
    await found.store.write((changes) => changes.workspaces.insert(record))
    assert.deepEqual(told, [record.id])
  })
}
