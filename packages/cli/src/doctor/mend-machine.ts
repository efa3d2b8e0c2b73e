import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import { fromText } from '@holdfast/generations/format/byte-string'
import { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import type { Finding, Fix } from './finding.ts'

const PACKAGES = fileURLToPath(new URL('../../..', import.meta.url))
const BUILD_NATIVE =
  'cd "$1" && for build in */native/build.sh */native/*/build.sh; do sh "$build" || exit 1; done'

export interface Mending {
  readonly searchPath: string
  readonly clock: Clock
  /** Called before each step. */
  readonly announce: (line: string) => void
}

/** The fixes that `--fix` carries out, in order: a compiler comes before what it compiles. */
export function fixesOf(findings: readonly Finding[]): Fix[] {
  const fixes = findings.flatMap(({ mend }) => (mend?.fix ? [mend.fix] : []))
  const packages = fixes.flatMap((fix) => (fix.kind === 'packages' ? fix.names : []))
  const rest = fixes.filter((fix) => fix.kind !== 'packages')
  if (packages.length === 0) return rest
  const needsBuild = packages.includes('gcc') && !rest.some((fix) => fix.kind === 'build-native')
  return [
    { kind: 'packages', names: packages },
    ...(needsBuild ? [{ kind: 'build-native' } as const] : []),
    ...rest,
  ]
}

/** Carries one fix out. Rejects with `unsupported-here` when its command fails. */
export async function mend(fix: Fix, mending: Mending): Promise<void> {
  switch (fix.kind) {
    case 'packages':
      run(mending, 'apt-get', ['update', '-qq'])
      run(mending, 'apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...fix.names])
      return
    case 'build-native':
      run(mending, 'sh', ['-c', BUILD_NATIVE, 'sh', PACKAGES])
      return
    case 'thaw': {
      await using companion = await Holdfs.start({ clock: mending.clock })
      for (const cgroup of fix.cgroups) {
        mending.announce(`thawing ${cgroup}`)
        await companion.thaw({ cgroups: [fromText(cgroup)], pids: [] })
      }
      return
    }
  }
}

function run({ searchPath, announce }: Mending, program: string, args: readonly string[]): void {
  const line = [program, ...args].join(' ')
  announce(`running ${line}`)
  const done = spawnSync(program, args, {
    env: { PATH: searchPath, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 2, 2],
  })
  if (done.status === 0) return
  throw new Failure(
    'unsupported-here',
    `${line} failed (${done.signal ?? done.status ?? done.error?.message})`,
  )
}
