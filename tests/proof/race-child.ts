import assert from 'node:assert/strict'
import { rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import type { DurableDirectory } from '@holdfast/generations/directory/durable-directory'
import { collectGarbage } from '@holdfast/generations/maintenance/collect-garbage'
import { compactWorkspace } from '@holdfast/generations/maintenance/compact-workspace'
import { thinHistory } from '@holdfast/generations/maintenance/thin-history'
import { seededNumbers } from '@holdfast/testkit/seeded-numbers'
import { withDurableDirectory } from './durable-home.ts'
import { maintenanceDeps } from './operations.ts'
import type { RaceRole } from './race-process.ts'
import { assertVersion, writeVersion } from './tree-versions.ts'

/** Contents come back all the time, also those that were garbage meanwhile. */
const VERSIONS = 9
const LISTED_MAX = 50
/** Short enough for commits and restores to outlast it now and then. */
const GRACE_MS = 400

/** Says what was done, one line a deed. */
function say(...words: readonly (string | number)[]): void {
  writeSync(1, `${words.join(' ')}\n`)
}

async function commitOnAndOn(durable: DurableDirectory): Promise<void> {
  using writer = await durable.openWriter()
  const { path } = durable.config
  for (let round = 1; ; round++) {
    const version = 1 + ((round * 4) % VERSIONS)
    writeVersion(path, version)
    const image = { path, changes: { kind: 'unknown' }, consistency: 'cut' } as const
    try {
      const outcome = await writer.commit(image, { cause: 'periodic', message: `${version}` })
      assert(outcome.kind === 'committed')
      say('committed', outcome.generation.id, version)
    } catch (error) {
      if (!isFailure(error, 'gc-expired')) throw error
      say('expired')
    }
  }
}

/** Under the lease of the writer, whose commits it must not end. */
async function tidyOnAndOn(durable: DurableDirectory, next: () => number): Promise<void> {
  const { index, config } = durable
  const deps = maintenanceDeps(durable)
  for (;;) {
    const { epoch } = await index.workspace(config.workspace)
    const lease = { org: config.org, workspace: config.workspace, epoch }
    const inAnHour = { wallMs: systemClock.wallMs() + 3_600_000, policy: [{ fromMs: 0, everyMs: 1000 }] }
    await thinHistory(deps, lease, inAnHour)
    try {
      await compactWorkspace(deps, { lease, always: next() < 0.4 })
      const { deletedPacks } = await collectGarbage(deps, {
        org: config.org,
        graceMs: next() < 0.5 ? 0 : GRACE_MS,
      })
      say('collected', deletedPacks)
    } catch (error) {
      if (!isFailure(error, 'gc-expired', 'lease-lost')) throw error
    }
  }
}

/** A restore brings the very tree, or says that what it read is gone: it outlasted the grace, or was of a dropped one. */
async function restoreOnAndOn(durable: DurableDirectory, next: () => number): Promise<void> {
  const path = join(durable.deps.home.path, '..', 'restored')
  for (;;) {
    const rows = (await durable.history(LISTED_MAX)).filter((row) => row.retained)
    const generation = rows[Math.floor(next() * rows.length)]
    if (generation === undefined) continue
    try {
      await durable.restore({ generation, path })
      assertVersion(path, Number(generation.message))
      rmSync(path, { recursive: true })
      say('restored', generation.id)
    } catch (error) {
      if (!isFailure(error, 'object-missing', 'chunk-missing')) throw error
      say('outlasted')
    }
  }
}

const [role = '', root = '', directory = '', seed = '1'] = process.argv.slice(2)
const next = seededNumbers(Number(seed))
const roles: Readonly<Record<RaceRole, (durable: DurableDirectory) => Promise<void>>> = {
  commit: commitOnAndOn,
  tidy: (durable) => tidyOnAndOn(durable, next),
  restore: (durable) => restoreOnAndOn(durable, next),
}
await withDurableDirectory({ root, directory }, roles[role as RaceRole])
