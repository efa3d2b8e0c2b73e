import type { MachineFacts } from './machine-facts.ts'

/** A way to put something right. */
export interface Mend {
  /** For a person to type. */
  readonly line: string
  /** What `--fix` does; absent: only a person can decide. */
  readonly fix?: Fix
}

export type Fix =
  | { readonly kind: 'packages'; readonly names: readonly string[] }
  | { readonly kind: 'build-native' }
  | { readonly kind: 'thaw'; readonly cgroups: readonly string[] }

/** `missing`: Holdfast does not work without. `lacking`: it works with less. */
export type FindingState = 'ok' | 'lacking' | 'missing'

export interface Finding {
  readonly name: string
  readonly state: FindingState
  readonly found: string
  /** What it is good for. */
  readonly gives: string
  readonly mend?: Mend
}

/** Only root is offered that `--fix` installs them. */
export function packagesMend(
  names: readonly string[],
  { isRoot, hasApt }: Pick<MachineFacts, 'isRoot' | 'hasApt'>,
  then = '',
): Mend {
  if (!hasApt) return { line: `install ${names.join(' and ')} with the packages of this system${then}` }
  const line = `${isRoot ? '' : 'sudo '}apt-get install -y ${names.join(' ')}${then}`
  return isRoot ? { line, fix: { kind: 'packages', names } } : { line }
}

/** Compares versions as numbers. */
export function isAtLeast(version: string, least: string): boolean {
  const have = version.split('.').map(Number)
  const need = least.split('.').map(Number)
  for (let index = 0; index < need.length; index++) {
    const difference = (have[index] ?? 0) - (need[index] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}
