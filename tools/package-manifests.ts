import { type Module, modulesOf, packageNamed, packageOf } from './module-graph.ts'
import { isTestCode, type RepositoryFile } from './repository-files.ts'

const README_LINES_MAX = 60

interface Manifest {
  readonly path: string
  readonly package: string
  /** The packages of this repository that it says it depends on. */
  readonly depends: ReadonlySet<string>
}

function manifestsOf(files: readonly RepositoryFile[]): Manifest[] {
  return files.flatMap(({ path, text }) => {
    const name = packageOf(path)
    if (name === undefined || path !== `packages/${name}/package.json`) return []
    const { dependencies = {} } = JSON.parse(text) as {
      readonly dependencies?: Readonly<Record<string, string>>
    }
    return [
      {
        path,
        package: name,
        depends: new Set(Object.keys(dependencies).flatMap((key) => packageNamed(key) ?? [])),
      },
    ]
  })
}

/** Manifests whose `dependencies` on this repository's packages are not exactly what their modules import. */
export function manifestFindings(files: readonly RepositoryFile[]): string[] {
  const modules = modulesOf(files)
  return manifestsOf(files).flatMap((manifest) => {
    const used = importedPackages(modules, manifest.package)
    const missing = [...used].filter((name) => !manifest.depends.has(name))
    const unused = [...manifest.depends].filter((name) => !used.has(name))
    return [
      ...missing.map((name) => `${manifest.path} lacks @holdfast/${name}, which a module imports`),
      ...unused.map((name) => `${manifest.path} names @holdfast/${name}, which no module imports`),
    ]
  })
}

/** What a package needs where it is installed: its tests do not count, unless it consists of test code. */
function importedPackages(modules: readonly Module[], name: string): Set<string> {
  const shipped = modules.filter(
    (module) => module.package === name && (name === 'testkit' || !isTestCode(module.path)),
  )
  const imported = shipped.flatMap((module) =>
    module.imports.flatMap((found) => packageNamed(found.specifier) ?? []),
  )
  return new Set(imported.filter((other) => other !== name))
}

/** Packages without a README, or with one that is too long to be read first. */
export function readmeFindings(files: readonly RepositoryFile[]): string[] {
  return manifestsOf(files).flatMap((manifest) => {
    const path = `packages/${manifest.package}/README.md`
    const readme = files.find((file) => file.path === path)
    if (readme === undefined) return [`${path} is missing`]
    const lines = readme.text.trimEnd().split('\n').length
    return lines > README_LINES_MAX ? [`${path} has ${lines} lines; the limit is ${README_LINES_MAX}`] : []
  })
}
