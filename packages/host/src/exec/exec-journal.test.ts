import assert from 'node:assert/strict'
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isFailure } from '@holdfast/base/failure'
import { ExecId } from '@holdfast/protocol/identifiers'
import { ExecJournal, type ExecRow } from './exec-journal.ts'

function row(id: string, status: ExecRow['state']['status'] = 'running'): ExecRow {
  const ends = { reason: null, exitCode: null, signal: null, endedAt: null }
  const state = { id: ExecId.parse(id), status, startedAt: 1, lastSequence: 0, ...ends }
  return { state, isService: false, isReported: false }
}

class Folder implements Disposable {
  readonly path: string

  constructor() {
    this.path = mkdtempSync(join(tmpdir(), 'holdfast-journal-'))
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true })
  }
}

test('what was begun is known to the next process, also when the last line was cut', async () => {
  using folder = new Folder()
  {
    await using journal = new ExecJournal(folder.path)
    await Promise.all([journal.begin(row('a')), journal.begin(row('b')), journal.begin(row('c'))])
    journal.note(row('a', 'exited'))
    journal.forget('b')
  }
  appendFileSync(join(folder.path, 'journal'), JSON.stringify(row('d')).slice(0, 40))
  await using again = new ExecJournal(folder.path)
  const known = Array.from(again.rows.values(), ({ state }) => [state.id, state.status])
  assert.deepEqual(known, [
    ['a', 'exited'],
    ['c', 'running'],
  ])
  await again.begin(row('e'))
  await using third = new ExecJournal(folder.path)
  assert.deepEqual([...third.rows.keys()], ['a', 'c', 'e'])
})

test('lines that say nothing any more are dropped', async () => {
  using folder = new Folder()
  await using journal = new ExecJournal(folder.path)
  for (let batch = 0; batch < 15; batch++) {
    const ids = Array.from({ length: 100 }, (_, at) => `x${batch}-${at}`)
    await Promise.all(ids.map((id) => journal.begin(row(id))))
    for (const id of ids) journal.forget(id)
  }
  await journal.begin(row('last'))
  const lines = readFileSync(join(folder.path, 'journal'), 'utf8').split('\n').length
  assert.ok(lines < 2200, `${lines} lines`)
})

test('a journal that cannot be written begins nothing, and goes on once it can', async () => {
  using folder = new Folder()
  await using journal = new ExecJournal(join(folder.path, 'in-the-way'))
  writeFileSync(join(folder.path, 'in-the-way'), '')
  await assert.rejects(journal.begin(row('a')), (error) => isFailure(error, 'source-failed'))
  assert.equal(journal.rows.size, 0)
  rmSync(join(folder.path, 'in-the-way'))
  await journal.begin(row('a'))
  assert.deepEqual([...journal.rows.keys()], ['a'])
})

test('a closed journal begins nothing, writes nothing and leaves no file open', async () => {
  using folder = new Folder()
  const path = join(folder.path, 'journal')
  const journal = new ExecJournal(folder.path)
  await journal.begin(row('a'))
  journal.note(row('a', 'exited'))
  const closed = journal[Symbol.asyncDispose]()
  journal.note({ ...row('a', 'exited'), isReported: true })
  await closed
  const written = readFileSync(path, 'utf8')
  journal.note({ ...row('a', 'exited'), isReported: true })
  journal.forget('a')
  await assert.rejects(journal.begin(row('b')), (error) => isFailure(error, 'invalid-state'))
  assert.ok(!journal.rows.has('b'))
  await delay(50) // longer than a file takes to be opened
  assert.equal(readFileSync(path, 'utf8'), written)
  assert.deepEqual(openedBelow(folder.path), [])
})

/** What this process has open there. */
function openedBelow(folder: string): string[] {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return '' // of the listing itself
    }
  })
  return links.filter((path) => path.startsWith(`${folder}/`))
}
