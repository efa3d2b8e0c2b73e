import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import {
  agrees,
  filesOf,
  killTransaction,
  type Moment,
  makePair,
  momentsAfterSuperJournal,
  readPair,
  recoveriesOf,
} from './attached-databases.ts'
import { type CommittedCaptures, Engine } from './engine.ts'

let scratch = ''
let holdfs: Holdfs
let engine: Engine

before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'holdfast-attached-'))
  holdfs = await Holdfs.start()
  engine = await Engine.open(holdfs, scratch)
})

after(async () => {
  await engine[Symbol.asyncDispose]()
  await holdfs[Symbol.asyncDispose]()
  rmSync(scratch, { recursive: true, force: true })
})

interface Outcome {
  readonly atItsPath: readonly [string, string]
  readonly elsewhere: readonly [string, string]
  readonly recoveries: readonly string[]
}

/** Kills the transaction, commits the directory, and opens what is restored of it at its path and elsewhere. */
async function killAndRestore(history: CommittedCaptures, pair: string, moment: Moment): Promise<Outcome> {
  const path = join(scratch, 'workspace')
  cpSync(pair, path, { recursive: true })
  killTransaction(path, moment)
  const recoveries = recoveriesOf(path)
  const generation = await history.commit({ path })
  const [original, elsewhere] = [`${path}.original`, `${path}.elsewhere`]
  renameSync(path, original)
  try {
    await history.restore(generation, path)
    assert.deepEqual(filesOf(path), filesOf(original), 'pages, journals and super-journal as found')
    cpSync(path, elsewhere, { recursive: true })
    const atItsPath = readPair(path)
    rmSync(path, { recursive: true })
    return { atItsPath, elsewhere: readPair(elsewhere), recoveries }
  } finally {
    for (const each of [path, original, elsewhere]) rmSync(each, { recursive: true, force: true })
  }
}

test('attached databases killed at any write after the super-journal exists agree once restored at their path', async (t) => {
  const pair = join(scratch, 'pair')
  const whole = join(scratch, 'whole')
  makePair(pair)
  cpSync(pair, whole, { recursive: true })
  const moments = momentsAfterSuperJournal(whole)
  assert.deepEqual(readPair(whole), ['ok new', 'ok new'])
  assert(moments.length > 15, JSON.stringify(moments))
  const history = await engine.openWorkspace()
  const torn: string[] = []
  const said = new Set<string>()
  for (const moment of moments) {
    const outcome = await killAndRestore(history, pair, moment)
    const place = `${moment.call} ${moment.nth}`
    assert(agrees(outcome.atItsPath), `killed at ${place}: ${outcome.atItsPath}`)
    said.add(outcome.atItsPath[0])
    if (agrees(outcome.elsewhere)) continue
    torn.push(`${place}: ${outcome.elsewhere}`)
    assert(outcome.recoveries.includes('rollback-at-its-path'), `${place} is said to recover anywhere`)
  }
  assert.deepEqual([...said].sort(), ['ok new', 'ok old'], 'kills before and after the commit were met')
  assert(torn.length > 0, 'opened at another path, recovery tears the transaction')
  assert(
    torn.some((place) => /ok (new old|new|old),ok (new old|new|old)$/.test(place)),
    'and finds no fault with it',
  )
  t.diagnostic(`${moments.length} kills; torn where the path is another: ${torn.join('; ')}`)
})
