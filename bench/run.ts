import { mkdirSync, writeFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '@holdfast/base/clock'
import { BARS } from './bars.ts'
import type { Suite } from './bench-run.ts'
import { type MachineFacts, machineFacts } from './machine.ts'
import { type Figure, type Row, ratioToPeer, rowOf } from './rows.ts'
import { ScratchDisk } from './scratch-disk.ts'
import { density } from './suites/density.ts'
import { exec } from './suites/exec.ts'
import { fsync } from './suites/fsync.ts'
import { handoff } from './suites/handoff.ts'
import { sqlite } from './suites/sqlite.ts'
import { sse } from './suites/sse.ts'
import { storage } from './suites/storage.ts'
import { tti } from './suites/tti.ts'
import { workspace } from './suites/workspace.ts'

const SUITES: readonly Suite[] = [storage, sqlite, workspace, tti, exec, handoff, fsync, sse, density]
const RESULTS = join(import.meta.dirname, 'results')
const USAGE = `usage: npm run bench -- SUITE [--case NAME] [--json] [--quick] [--repeats N] [--date YYYY-MM-DD]
suites: ${SUITES.map(({ name }) => name).join(', ')}; --case takes the beginning of a case's name`
/** What a shell's test harnesses understand as "cannot be tested here". */
const CANNOT_RUN = 125
const USAGE_WRONG = 2

interface Options {
  readonly case: string
  readonly json: boolean
  readonly quick: boolean
  readonly repeats: number
  readonly date: string
}

function readArguments(): { suite: Suite; options: Options } | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      case: { type: 'string', default: '' },
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      repeats: { type: 'string', default: '3' },
      date: { type: 'string', default: new Date(systemClock.wallMs()).toISOString().slice(0, 10) },
    },
  })
  const suite = SUITES.find(({ name }) => name === positionals[0])
  const repeats = Number(values.repeats)
  if (suite === undefined || positionals.length !== 1 || !Number.isInteger(repeats) || repeats < 1)
    return undefined
  if (!suite.cases.some((name) => name.startsWith(values.case))) return undefined
  return { suite, options: { ...values, repeats } }
}

/** Names the packages of the programs that are missing; undefined when all are there. */
async function missingPackages(suite: Suite): Promise<string | undefined> {
  const versions = await Promise.all(
    [...suite.peers, gnuTime].map(async (peer) => ({ ...peer, found: await peer.version() })),
  )
  const missing = versions.filter(({ found }) => found === undefined)
  if (missing.length === 0) return undefined
  const packages = missing.flatMap(({ aptPackage }) => (aptPackage === null ? [] : [aptPackage]))
  const commands = [
    ...(packages.length > 0 ? [`apt-get install -y --no-install-recommends ${packages.join(' ')}`] : []),
    ...(packages.length < missing.length ? ['npm ci'] : []),
  ]
  return `missing: ${missing.map(({ name }) => name).join(', ')}; run: ${commands.join(' && ')}`
}

const gnuTime = {
  name: 'GNU time',
  aptPackage: 'time',
  version: async () => {
    const { outputOf } = await import('./measure.ts')
    return outputOf('/usr/bin/time', '-f', '', 'true')
  },
}

async function runSuite(suite: Suite, options: Options): Promise<{ facts: MachineFacts; rows: Row[] }> {
  const rows: Row[] = []
  await using disk = await ScratchDisk.create()
  const facts = await machineFacts({ date: options.date, scratch: disk.kind, peers: suite.peers })
  const print = options.json || !process.stdout.isTTY ? printJson : printLine
  await suite.run({
    disk,
    quick: options.quick,
    repeats: options.repeats,
    wants: (name) => name.startsWith(options.case),
    report: (figure: Figure) => {
      const row = rowOf(suite.name, figure, BARS[suite.name] ?? {})
      rows.push(row)
      print(row)
    },
    say: (text) => process.stderr.write(`# ${text}\n`),
  })
  return { facts: { ...facts, loadAfter: Number((loadavg()[0] ?? 0).toFixed(2)) }, rows }
}

function printJson(row: Row): void {
  process.stdout.write(`${JSON.stringify(row)}\n`)
}

function printLine(row: Row): void {
  const bar = row.bar === null ? '' : `${row.ok ? 'ok  ' : 'MISS'} bar ${row.bar}`
  const peers = Object.keys(row.peers).map((name) => `${ratioToPeer(row, name)?.toFixed(2) ?? '-'} × ${name}`)
  const value = `${row.value} ${row.unit}`
  process.stdout.write(
    `${row.case.padEnd(16)} ${row.metric.padEnd(18)} ${value.padStart(18)}  ${bar.padEnd(14)} ${peers.join(', ')}\n`,
  )
}

/** A run of some cases, or of small sizes, leaves the results of the last full run alone. */
function save(suite: Suite, options: Options, run: { facts: MachineFacts; rows: Row[] }): void {
  mkdirSync(RESULTS, { recursive: true })
  const part = options.quick ? '.quick' : options.case === '' ? '' : `.${options.case}`
  const path = join(RESULTS, `${suite.name}${part}.json`)
  const { quick, repeats } = options
  writeFileSync(path, `${JSON.stringify({ suite: suite.name, quick, repeats, ...run }, null, 2)}\n`)
}

// As the command line has it: else each thread that is measured would strip and compile its modules anew.
enableCompileCache(join(import.meta.dirname, '../build/compile-cache'))

const request = readArguments()
if (request === undefined) {
  process.stderr.write(`${USAGE}\n`)
  process.exitCode = USAGE_WRONG
} else {
  const missing = await missingPackages(request.suite)
  if (missing === undefined)
    save(request.suite, request.options, await runSuite(request.suite, request.options))
  else {
    process.stderr.write(`${missing}\n`)
    process.exitCode = CANNOT_RUN
  }
}
