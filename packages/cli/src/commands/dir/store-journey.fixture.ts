import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { noise } from '@holdfast/testkit/noise'
import { type Ran, Workbench } from '../../workbench.fixture.ts'

const DAY_MS = 86_400_000
const LARGE_BYTES = 300_000

export interface JourneyStore {
  readonly address: string
  /** What the environment adds, such as credentials. */
  readonly environment: Readonly<Record<string, string>>
}

/**
 * From the beginning of a history over its loss to its recovery on another machine, with everything a person does
 * between: each step says what it must, and every byte comes back.
 */
export async function travelThroughStore({ address, environment }: JourneyStore): Promise<void> {
  using bench = new Workbench()
  const { project } = bench
  const hold = (...words: readonly string[]) => succeeded(bench.holdWith({ environment }, ...words))
  writeState(bench, 1)
  assert.match(await hold('dir', 'init', project, '--store', address), /store +s3:/)
  await hold('dir', 'commit', project, '-m', 'first')
  for (const round of [2, 3, 4]) {
    writeState(bench, round)
    await hold('dir', 'commit', project)
  }
  await hold('dir', 'watch', project, '--', 'sh', '-c', `echo watched > ${project}/watched.txt`)
  const history = JSON.parse(await hold('dir', 'history', project, '-o', 'json'))
  assert.ok(history.length >= 5)
  assert.match(await hold('dir', 'verify', project), /^Sound/)
  assert.match(await hold('dir', 'drill', project), /^Proven/)

  const later = (...words: readonly string[]) =>
    succeeded(bench.holdWith({ environment, laterMs: 3 * DAY_MS }, ...words))
  const collected = JSON.parse(await later('dir', 'gc', project, '--now', '-o', 'json'))
  assert.ok(collected.dropped.length > 0 && collected.deletedPacks > 0, JSON.stringify(collected))
  assert.match(await hold('dir', 'verify', project), /^Sound/)

  rmSync(project, { recursive: true })
  await hold('dir', 'restore', project)
  assertState(project, 4)
  await hold('dir', 'restore', project, '--at', '1', '--to', join(bench.path, 'first'))
  assertState(join(bench.path, 'first'), 1)

  using elsewhere = new Workbench()
  const other = (...words: readonly string[]) => succeeded(elsewhere.holdWith({ environment }, ...words))
  await other('dir', 'rebuild', elsewhere.project, '--store', address)
  await other('dir', 'restore', elsewhere.project)
  assertState(elsewhere.project, 4)
  assert.equal(readFileSync(join(elsewhere.project, 'watched.txt'), 'utf8'), 'watched\n')
}

function writeState(bench: Workbench, round: number): void {
  bench.write('round.txt', String(round))
  bench.write('large.bin', noise(round, LARGE_BYTES))
  bench.sql('app.db', `CREATE TABLE IF NOT EXISTS t (x); INSERT INTO t VALUES (${round})`)
}

function assertState(path: string, round: number): void {
  assert.equal(readFileSync(join(path, 'round.txt'), 'utf8'), String(round))
  assert.ok(noise(round, LARGE_BYTES).equals(readFileSync(join(path, 'large.bin'))))
}

async function succeeded(running: Promise<Ran>): Promise<string> {
  const { exitCode, stdout, stderr } = await running
  assert.equal(exitCode, 0, stderr)
  return stdout
}
