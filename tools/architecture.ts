import type { ModuleImport } from './import-scan.ts'
import { importCycles, type Module, modulesOf, packageNamed, targetOf } from './module-graph.ts'
import { placeOf, RANK_OF_COMPOSITION, rankObjection } from './ranks.ts'
import { isTestCode, type RepositoryFile } from './repository-files.ts'

/** Technologies and ports: `<technology>-<port>.ts` is an adapter. */
const ADAPTER = /\/(?:folder|memory|s3|sqlite|btrfs|live)-(?:object-store|generation-index|volume)\.ts$/

type Objection = (importer: Module, found: ModuleImport, target: string | undefined) => string | undefined

/** What is said against single imports; each names the rule that is broken. */
const OBJECTIONS: readonly Objection[] = [
  function rank(importer, found) {
    const name = packageNamed(found.specifier)
    if (importer.package === undefined || name === undefined) return undefined
    if (importer.package === 'testkit' || name === 'testkit') return undefined
    return rankObjection(importer.package, name)
  },
  function browser(importer, found) {
    if (importer.package === undefined || isTestCode(importer.path)) return undefined
    if (!placeOf(importer.package)?.browserOnly || !found.specifier.startsWith('node:')) return undefined
    return `${importer.package} runs in a browser, which has no node: modules`
  },
  function testCodeStaysInTests(importer, _found, target) {
    if (target === undefined || !isTestCode(target)) return undefined
    if (/\.(test|fuzz)\.ts$/.test(target)) return 'nothing imports a test'
    return isTestCode(importer.path) ? undefined : 'only tests import testkit, fixtures, bench and tests'
  },
  function staysInPackage(importer, found, target) {
    if (importer.package === undefined || !found.specifier.startsWith('.')) return undefined
    const home = `packages/${importer.package}/src/`
    return target?.startsWith(home) ? undefined : 'a relative import stays inside the src of its package'
  },
  function adapter(importer, _found, target) {
    if (target === undefined || !ADAPTER.test(target) || mayImportAdapters(importer, target)) return undefined
    return 'only tests, composition roots and open-*.ts of the same package import an adapter'
  },
]

function mayImportAdapters(importer: Module, adapter: string): boolean {
  if (isTestCode(importer.path) || importer.package === undefined) return true
  if (placeOf(importer.package)?.rank === RANK_OF_COMPOSITION || importer.path.endsWith('/src/main.ts'))
    return true
  const samePackage = adapter.startsWith(`packages/${importer.package}/`)
  return samePackage && /\/open-[^/]+\.ts$/.test(importer.path)
}

/** Every import that breaks a rule of the picture, as `path:line imports x: why`. */
export function importFindings(files: readonly RepositoryFile[]): string[] {
  return modulesOf(files).flatMap((module) =>
    module.imports.flatMap((found) =>
      OBJECTIONS.flatMap((objection) => {
        const why = objection(module, found, targetOf(module, found))
        return why === undefined ? [] : [`${module.path}:${found.line} imports ${found.specifier}: ${why}`]
      }),
    ),
  )
}

/** Every cycle, as `a → b → a`. */
export function cycleFindings(files: readonly RepositoryFile[]): string[] {
  return importCycles(modulesOf(files)).map((cycle) => cycle.join(' → '))
}

/** Modules whose shape hides what depends on what. */
export function moduleFindings(files: readonly RepositoryFile[]): string[] {
  return modulesOf(files).flatMap((module) => [
    ...(module.isBarrel ? [`${module.path} only re-exports: import from where things are`] : []),
    ...module.opaqueLines.map((line) => `${module.path}:${line} imports a computed name: write it out`),
  ])
}
