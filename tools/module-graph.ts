import { posix } from 'node:path'
import { type ModuleImport, type ModuleImports, moduleImports } from './import-scan.ts'
import type { RepositoryFile } from './repository-files.ts'

export interface Module extends ModuleImports {
  /** From the root of the repository. */
  readonly path: string
  /** The package it belongs to, or undefined in bench, tests and tools. */
  readonly package: string | undefined
}

/** Every TypeScript module among `files`. */
export function modulesOf(files: readonly RepositoryFile[]): Module[] {
  return files
    .filter((file) => file.path.endsWith('.ts'))
    .map((file) => ({ path: file.path, package: packageOf(file.path), ...moduleImports(file.text) }))
}

/** `generations` for `packages/generations/src/…`. */
export function packageOf(path: string): string | undefined {
  return /^packages\/([^/]+)\//.exec(path)?.[1]
}

/** `generations` for `@holdfast/generations/…`. */
export function packageNamed(specifier: string): string | undefined {
  return /^@holdfast\/([^/]+)/.exec(specifier)?.[1]
}

/** The path that an import leads to, whether a file is there or not; undefined if it is not of this repository. */
export function targetOf(importer: Module, found: ModuleImport): string | undefined {
  if (found.specifier.startsWith('.')) return posix.join(posix.dirname(importer.path), found.specifier)
  const [, name, rest] = /^@holdfast\/([^/]+)\/(.+)$/.exec(found.specifier) ?? []
  return name === undefined ? undefined : `packages/${name}/src/${rest}.ts`
}

/** Every import cycle that a depth-first walk meets, as the paths from a module back to itself. */
export function importCycles(modules: readonly Module[]): string[][] {
  const edges = new Map(modules.map((module) => [module.path, targetsOf(module)]))
  const finished = new Set<string>()
  const cycles: string[][] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const begin = trail.indexOf(path)
    if (begin >= 0) cycles.push([...trail.slice(begin), path])
    if (begin >= 0 || finished.has(path)) return
    for (const target of edges.get(path) ?? []) visit(target, [...trail, path])
    finished.add(path)
  }
  for (const module of modules) visit(module.path, [])
  return cycles
}

function targetsOf(module: Module): string[] {
  return module.imports.flatMap((found) => targetOf(module, found) ?? [])
}
