import { test } from 'node:test'
import { assertLedgerIsCut } from './watch-ledger.fixture.ts'

test('without cgroups every generation of a writer at full speed is one cut of a database and its files', () =>
  assertLedgerIsCut('wal', 'signals'))
