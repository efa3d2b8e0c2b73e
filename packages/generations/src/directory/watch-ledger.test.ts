import { test } from 'node:test'
import { assertLedgerIsCut } from './watch-ledger.fixture.ts'

test('every generation of a writer at full speed is one cut of a database and its files', () =>
  assertLedgerIsCut('wal', 'auto'))

test('it is so with a rollback journal', () => assertLedgerIsCut('delete', 'auto'))
