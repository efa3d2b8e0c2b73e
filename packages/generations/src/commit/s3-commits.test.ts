import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import { CommittedWorkspace, WORKSPACE } from '@holdfast/testkit/committed-workspace'
import { noise } from '@holdfast/testkit/noise'
import { type S3Double, type S3Fault, type S3FaultPlan, startS3Double } from '@holdfast/testkit/s3-double'
import { seededNumbers, seededRandomness } from '@holdfast/testkit/seeded-numbers'
import { parseS3Address } from '../store/s3-address.ts'
import { openS3ObjectStore } from '../store/s3-object-store.ts'

const ROUNDS = process.env.HOLDFAST_LONG === undefined ? 24 : 1_000
const SEED = 20_260_801
const LARGE_BYTES = 17 << 20

/** Nobody can tell from the answer whether the object is there. */
const IN_DOUBT: readonly S3Fault[] = [
  { kind: 'cut', when: 'after' },
  { kind: 'cut-upload', bytes: 500 },
  { kind: 'apply-later', ms: 30 },
]

const FAULTS: readonly S3Fault[] = [
  ...IN_DOUBT,
  { kind: 'cut', when: 'before' },
  { kind: 'apply-later', ms: 0 },
  { kind: 'truncate', bytes: 0 },
  { kind: 'truncate', bytes: 700 },
  { kind: 'slow', ms: 900 },
  ...[
    [503, 'SlowDown'],
    [500, 'InternalError'],
    [409, 'ConditionalRequestConflict'],
    [412, 'PreconditionFailed'],
    [403, 'RequestTimeTooSkewed'],
    [403, 'AccessDenied'],
    [507, 'InsufficientStorage'],
  ].map(([status, code]) => ({ kind: 'answer', status: Number(status), code: String(code) }) as const),
]

/** How long a request may take; the slowest answer of the double takes longer than `short`. */
const PATIENCE_MS = { short: 400, long: 30_000 } as const

interface Patience {
  attemptMs: number
}

async function openOver(double: S3Double, patience: Patience): Promise<CommittedWorkspace> {
  const store = await openS3ObjectStore(parseS3Address(double.addressOf('hold')), {
    clock: systemClock,
    randomness: seededRandomness(SEED),
    credentials: double.credentials,
    policy: Object.assign(patience, { attemptsMax: 3, pauseMs: 1, pauseMsMax: 4 }),
  })
  return CommittedWorkspace.open({ store })
}

/** A fault for every third request or so. */
function stormy(next: () => number): S3FaultPlan {
  return () => (next() < 0.35 ? FAULTS[Math.floor(next() * FAULTS.length)] : undefined)
}

const calm: S3FaultPlan = () => undefined

test('over an S3 that fails in every way at random no acknowledged generation is lost', async (t) => {
  await using double = await startS3Double()
  const patience: Patience = { attemptMs: PATIENCE_MS.short }
  await using workspace = await openOver(double, patience)
  const next = seededNumbers(SEED)
  const acknowledged = new Map<string, number>()
  let failed = 0
  for (let round = 1; round <= ROUNDS; round++) {
    double.plan = stormy(next)
    writeFileSync(workspace.path('round'), String(round))
    writeFileSync(workspace.path('noise'), noise(round, 3000))
    try {
      if (round % 9 === 0) await workspace.reopen()
      acknowledged.set((await workspace.commitNew()).id, round)
    } catch (error) {
      assert.ok(isFailure(error), String(error))
      assert.ok(error.kind === 'unavailable' || error.kind === 'refused', error.code)
      failed++
    }
  }
  double.plan = calm
  patience.attemptMs = PATIENCE_MS.long
  t.diagnostic(`seed ${SEED}: ${acknowledged.size} commits acknowledged, ${failed} failed`)
  assert.ok(acknowledged.size > 0 && failed > 0)
  for (const [id, round] of acknowledged) {
    const restored = await workspace.restore((await workspace.deps.index.generation(id)).root)
    assert.equal(readFileSync(join(restored, 'round'), 'utf8'), String(round))
    assert.ok(noise(round, 3000).equals(readFileSync(join(restored, 'noise'))))
    rmSync(restored, { recursive: true })
  }
  await workspace.commit()
  await workspace.assertRestores(workspace.committer.head?.root ?? '')
})

test('each way to leave a put in doubt, at every other put of a large commit, ends in a generation that restores or in no generation', async () => {
  await using double = await startS3Double()
  await using workspace = await openOver(double, { attemptMs: PATIENCE_MS.long })
  for (const [index, fault] of IN_DOUBT.entries()) {
    writeFileSync(workspace.path('large'), noise(index, LARGE_BYTES))
    const before = (await workspace.deps.index.workspace(WORKSPACE)).head
    let puts = 0
    double.plan = (kind) => (kind === 'put' && puts++ % 2 === 0 ? fault : undefined)
    const outcome = await workspace.commit().catch((error: unknown) => error)
    double.plan = calm
    if (isFailure(outcome)) assert.equal((await workspace.deps.index.workspace(WORKSPACE)).head, before)
    await workspace.commit()
    await workspace.assertRestores(workspace.committer.head?.root ?? '')
  }
})
