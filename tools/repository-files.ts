import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A text file of the repository; `path` is relative to its root, with `/` between the parts. */
export interface RepositoryFile {
  readonly path: string
  readonly text: string
}

export const ROOT = join(import.meta.dirname, '..')

/** Not ours to judge: other people's code, what a build writes, and measured results. */
const LEFT_OUT: ReadonlySet<string> = new Set(['.git', 'build', 'bench/results'])

/** Every text file below the root, sorted by path. */
export function repositoryFiles(root: string = ROOT): RepositoryFile[] {
  return filesBelow(root, '').sort((a, b) => (a.path < b.path ? -1 : 1))
}

function filesBelow(root: string, directory: string): RepositoryFile[] {
  return readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = directory === '' ? entry.name : `${directory}/${entry.name}`
    if (LEFT_OUT.has(path) || entry.name === 'node_modules') return []
    if (entry.isDirectory()) return filesBelow(root, path)
    if (!entry.isFile()) return []
    const text = readFileSync(join(root, path), 'utf8')
    return text.includes('\0') ? [] : [{ path, text }]
  })
}

/** True for code that never runs in production: tests and what they stand on. */
export function isTestCode(path: string): boolean {
  return /\.(test|fuzz|fixture)\.ts$/.test(path) || /^(tests|bench|packages\/testkit)\//.test(path)
}

/** True for a module that ships: below a package's src and no test code. */
export function isProductionCode(path: string): boolean {
  return /^packages\/[^/]+\/src\/.*\.ts$/.test(path) && !isTestCode(path)
}
