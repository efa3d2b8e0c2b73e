import assert from 'node:assert/strict'
import { test } from 'node:test'
import { auditBank, BANK } from './bank-audit.ts'
import { ProvingGround } from './proving-ground.ts'
import { buildFsyncSuppressor, RunningWriter } from './running-writer.ts'

/** About one in five is caught. */
const CAPTURES_MAX = 400
const CAUGHT_ENOUGH = 3

test('a capture of a writer that is not frozen and whose fsync is suppressed is caught by the audit', async (t) => {
  await ProvingGround.use((ground) =>
    ground.withVolume(async (volume) => {
      await using writer = await RunningWriter.start({
        program: 'bank-writer.py',
        arguments: [BANK, 'truncate', 'FULL', '0', 'suppressed'],
        directory: volume.path,
        scratch: ground.scratch,
        launcher: await buildFsyncSuppressor(ground.scratch),
      })
      await writer.reached(20)
      const caught: string[] = []
      let captures = 0
      for (; captures < CAPTURES_MAX && caught.length < CAUGHT_ENOUGH; captures++) {
        const { faults } = await volume.unfrozen(({ path }) => auditBank(path, ground.scratch))
        caught.push(...faults.slice(0, 1))
      }
      t.diagnostic(`${caught.length} of ${captures} captures were caught: ${JSON.stringify(caught)}`)
      assert(caught.length > 0, `${captures} captures look like instants`)
    }),
  )
})
