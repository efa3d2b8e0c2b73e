import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { requireReading } from './single-statement.ts'

test('one statement that reads is taken, whatever is quoted or said beside it', () => {
  for (const sql of [
    'select 1',
    '  -- words; more\n SELECT 1 ; -- end',
    '/* a; b */ WITH c AS (SELECT 1) SELECT * FROM c',
    `SELECT ';', 'it''s; DELETE', "a;b", [c;d], \`e;f\` FROM t;`,
    'VALUES (1)',
    'EXPLAIN QUERY PLAN SELECT 1',
  ])
    requireReading(sql)
})

test('anything else is refused', () => {
  for (const sql of [
    '',
    ';',
    'DELETE FROM t',
    '/* SELECT */ DROP TABLE t',
    'SELECT 1; DELETE FROM t',
    "SELECT 'a'; SELECT 'b'",
    'SELECT 1 /* ; */; x',
    'SELECT 1\0; DELETE FROM t',
    'SELECTED',
  ])
    assert.throws(
      () => requireReading(sql),
      (error) => isFailure(error, 'invalid-argument'),
      sql,
    )
})
