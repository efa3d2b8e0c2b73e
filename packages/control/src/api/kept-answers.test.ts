import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '@holdfast/testkit/manual-clock'
import type { GivenAnswer } from '../ports/entities.ts'
import type { Changes, Store } from '../ports/store.ts'
import { KeptAnswers } from './kept-answers.ts'

const ANSWER = { org: 'org_a', fingerprint: 'f', status: 200, body: '', expiresAt: 1 }

test('answers that come close together are kept by one transaction, and each knows of its end', async () => {
  const clock = new ManualClock()
  const transactions: string[][] = []
  let isBroken = false
  const store: Pick<Store, 'write'> = {
    write: async (change) => {
      if (isBroken) throw new Error('no disk')
      const keys: string[] = []
      transactions.push(keys)
      const answers = { put: async ({ key }: GivenAnswer) => void keys.push(key) }
      return await change({ answers } as unknown as Changes)
    },
  }
  const kept = new KeptAnswers({ store, clock })
  const answer = (key: string) => kept.keep({ ...ANSWER, key } as GivenAnswer)
  const first = [answer('a'), answer('b')]
  await clock.pass(100)
  await Promise.all(first)
  isBroken = true
  const lost = assert.rejects(answer('c'), /no disk/)
  await clock.pass(100)
  await lost
  isBroken = false
  const last = answer('d')
  await clock.pass(100)
  await last
  assert.deepEqual(transactions, [['a', 'b'], ['d']])
})
