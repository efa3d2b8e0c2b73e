import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync, readFileSync, statfsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Clock } from '@holdfast/base/clock'
import { isFailure } from '@holdfast/base/failure'
import type { Randomness } from '@holdfast/base/randomness'
import { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import { findCgroupHierarchy, removeCgroup } from '@holdfast/generations/volume/cgroup-hierarchy'
import { tryRuntimes } from '@holdfast/server/roles/runtimes'
import type { MachineFacts, RuntimeFacts } from './machine-facts.ts'

export interface Examination {
  readonly home: string
  readonly searchPath: string
  readonly isRoot: boolean
  readonly clock: Clock
  readonly randomness: Randomness
}

const PROBE_MS_MAX = 5000
/** A cut freezes for some milliseconds: what is frozen twice this far apart is stuck. */
const STUCK_AFTER_MS = 300

/** Finds out what this machine can do, by trying it where a file does not tell. Changes nothing. */
export async function examineMachine(examination: Examination): Promise<MachineFacts> {
  const { isRoot, clock } = examination
  const run = runner(examination.searchPath)
  return {
    nodeVersion: process.versions.node,
    sqliteVersion: process.versions.sqlite ?? '0',
    isRoot,
    hasApt: run('apt-get', ['--version']) !== undefined,
    nativeTrouble: await nativeTrouble(clock),
    hasCompiler: run('gcc', ['--version']) !== undefined,
    userNamespaces: run('unshare', ['--user', 'true']) !== undefined,
    freezer: findFreezer(),
    loopDevices: isRoot && isWritable('/dev/loop-control') && run('losetup', ['--find']) !== undefined,
    btrfs: {
      inKernel: knowsBtrfs() || run('modprobe', ['--dry-run', '--quiet', 'btrfs']) !== undefined,
      hasProgs: run('mkfs.btrfs', ['--version']) !== undefined,
      hasSimpleQuotas: existsSync('/sys/fs/btrfs/features/simple_quota'),
    },
    runtimes: await readRuntimes(run, examination),
    systemSqlite: systemSqlite(run),
    disk: readDisk(examination.home),
    frozenCgroups: await stuckCgroups(clock),
  }
}

type Run = (program: string, args: readonly string[]) => string | undefined

/** Runs a program for what it prints; undefined where there is none or it fails. */
function runner(searchPath: string): Run {
  return (program, args) => {
    const done = spawnSync(program, args, {
      env: { PATH: searchPath },
      encoding: 'utf8',
      timeout: PROBE_MS_MAX,
    })
    return done.status === 0 ? done.stdout : undefined
  }
}

const RUNTIMES = ['runc', 'bwrap', 'runsc'] as const

async function readRuntimes(run: Run, ground: Examination): Promise<RuntimeFacts[]> {
  const versions = new Map(RUNTIMES.map((kind) => [kind, versionOf(run(kind, ['--version']))]))
  const installed = RUNTIMES.filter((kind) => versions.get(kind) !== null)
  const tried = await tryRuntimes(ground, installed)
  const troubles = new Map(tried.map(({ runtime, trouble }) => [runtime.kind, trouble]))
  return RUNTIMES.map((kind) => ({
    kind,
    version: versions.get(kind) ?? null,
    trouble: troubles.has(kind) ? (troubles.get(kind) ?? null) : 'not installed',
  }))
}

/** `runc version 1.1.5+ds1`, `runsc version release-20250407.0`, `bubblewrap 0.8.0`. */
function versionOf(said: string | undefined): string | null {
  return said === undefined ? null : (/^\w+ (?:version )?(\S+)/.exec(said)?.[1] ?? 'unknown')
}

async function nativeTrouble(clock: Clock): Promise<string | null> {
  try {
    await using _companion = await Holdfs.start({ clock })
    return null
  } catch (error) {
    if (isFailure(error)) return error.message
    throw error
  }
}

function findFreezer(): MachineFacts['freezer'] {
  const found = findCgroupHierarchy([1, 2])
  if (!found) return null
  for (const made of [found.freezer, found.accounting]) if (made !== null) removeCgroup(made)
  return { version: found.version, path: dirname(found.freezer) }
}

function knowsBtrfs(): boolean {
  return readFileSync('/proc/filesystems', 'latin1').includes('\tbtrfs\n')
}

function systemSqlite(run: Run): MachineFacts['systemSqlite'] {
  const found = [
    { program: 'sqlite3', version: run('sqlite3', ['--version']) },
    { program: 'python3', version: run('python3', ['-c', 'import sqlite3; print(sqlite3.sqlite_version)']) },
  ]
  return found.flatMap(({ program, version }) => {
    const number = /^\d+\.\d+\.\d+/.exec(version ?? '')?.[0]
    return number === undefined ? [] : [{ program, version: number }]
  })
}

function readDisk(home: string): MachineFacts['disk'] {
  const path = nearest(home)
  const { bavail, blocks, bsize } = statfsSync(path)
  return { path, freeBytes: bavail * bsize, totalBytes: blocks * bsize }
}

function nearest(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearest(dirname(path))
}

async function stuckCgroups(clock: Clock): Promise<string[]> {
  const before = frozenCgroups()
  if (before.length === 0) return []
  await clock.sleep(STUCK_AFTER_MS)
  const after = new Set(frozenCgroups())
  return before.filter((path) => after.has(path))
}

/** Frozen cgroups among those that Holdfast makes below the cgroup that it runs in. */
function frozenCgroups(): string[] {
  const found = findCgroupHierarchy([1, 2])
  if (!found) return []
  const frozen = readdirSync(found.freezer, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(found.freezer, entry.name))
    .filter(isFrozen)
  for (const made of [found.freezer, found.accounting]) if (made !== null) removeCgroup(made)
  return frozen
}

function isFrozen(cgroup: string): boolean {
  const state = readOr(join(cgroup, 'freezer.state')) ?? readOr(join(cgroup, 'cgroup.freeze')) ?? ''
  return ['FROZEN', 'FREEZING', '1'].includes(state.trim())
}

function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}
