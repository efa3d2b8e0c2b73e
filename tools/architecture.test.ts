import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cycleFindings, importFindings, moduleFindings } from './architecture.ts'
import { noFindings } from './no-findings.ts'
import { manifestFindings, readmeFindings } from './package-manifests.ts'
import { type RepositoryFile, repositoryFiles } from './repository-files.ts'

const FILES = repositoryFiles()

function source(path: string, ...imports: readonly string[]): RepositoryFile {
  return { path: `packages/${path}`, text: imports.map((specifier) => `import '${specifier}'\n`).join('') }
}

test('packages import only what the picture allows', () => {
  noFindings(importFindings(FILES))
})

test('no module reaches itself through its imports', () => {
  noFindings(cycleFindings(FILES))
})

test('no module is a barrel or hides what it imports', () => {
  noFindings(moduleFindings(FILES))
})

test('each package depends on exactly the packages its modules import', () => {
  noFindings(manifestFindings(FILES))
})

test('each package has a README that is read in a minute', () => {
  noFindings(readmeFindings(FILES))
})

const FORBIDDEN: readonly (readonly [path: string, specifier: string, why: RegExp])[] = [
  ['base/src/a.ts', '@holdfast/generations/b', /base has rank 1, generations has rank 2/],
  ['protocol/src/a.ts', '@holdfast/base/clock', /protocol runs in a browser, base does not/],
  ['protocol/src/a.ts', 'node:fs', /no node: modules/],
  ['console/src/a.ts', '@holdfast/generations/b', /console runs in a browser/],
  ['lease/src/a.ts', '@holdfast/host/b', /lease has rank 3, host has rank 3/],
  ['generations/src/a.ts', '@holdfast/cli/main', /rank 4/],
  ['compat-e2b/src/a.ts', '@holdfast/server/b', /rank 4/],
  ['novel/src/a.ts', '@holdfast/base/clock', /novel has no place/],
  ['base/src/a.ts', '@holdfast/base/clock', /relative/],
  ['base/src/a.ts', '../../protocol/src/failures.ts', /stays inside/],
  ['base/src/a.ts', '@holdfast/testkit/store-faults', /only tests import/],
  ['generations/src/a.ts', './b.fixture.ts', /only tests import/],
  ['generations/src/a.test.ts', './b.test.ts', /nothing imports a test/],
  ['generations/src/commit/a.ts', '../store/folder-object-store.ts', /an adapter/],
  ['control/src/open-a.ts', '@holdfast/generations/store/s3-object-store', /an adapter/],
]

for (const [path, specifier, why] of FORBIDDEN) {
  test(`${path} is caught importing ${specifier}`, () => {
    const [finding = '', ...others] = importFindings([source(path, specifier)])
    assert.match(finding, why)
    assert.ok(finding.startsWith(`packages/${path}:1 `))
    assert.deepEqual(others, [])
  })
}

const ALLOWED: readonly (readonly [path: string, specifier: string])[] = [
  ['base/src/a.ts', '@holdfast/protocol/failures'],
  ['base/src/a.ts', 'node:fs'],
  ['protocol/src/a.test.ts', 'node:test'],
  ['console/src/a.ts', '@holdfast/client/b'],
  ['server/src/roles/a.ts', '@holdfast/lease/b'],
  ['compat-e2b/src/a.ts', '@holdfast/client/b'],
  ['generations/src/a.test.ts', '@holdfast/testkit/store-faults'],
  ['generations/src/a.fuzz.ts', './b.fixture.ts'],
  ['generations/src/a.test.ts', './memory-object-store.ts'],
  ['generations/src/store/open-object-store.ts', './folder-object-store.ts'],
  ['testkit/src/a.ts', '@holdfast/generations/store/memory-object-store'],
  ['cli/src/a.ts', '@holdfast/generations/store/folder-object-store'],
  ['agent/src/main.ts', '@holdfast/generations/store/s3-object-store'],
  ['generations/src/a.ts', './sqlite-chunk-index.ts'],
]

for (const [path, specifier] of ALLOWED) {
  test(`${path} may import ${specifier}`, () => {
    assert.deepEqual(importFindings([source(path, specifier)]), [])
  })
}

test('a cycle is reported with its path, across packages too', () => {
  const files = [
    source('a/src/one.ts', './two.ts'),
    source('a/src/two.ts', '@holdfast/b/three'),
    source('b/src/three.ts', '@holdfast/a/one', '@holdfast/a/four'),
    source('a/src/four.ts'),
  ]
  assert.deepEqual(cycleFindings(files), [
    'packages/a/src/one.ts → packages/a/src/two.ts → packages/b/src/three.ts → packages/a/src/one.ts',
  ])
})

test('two ways to the same module are no cycle', () => {
  const files = [
    source('a/src/x.ts', './y.ts', './z.ts'),
    source('a/src/y.ts', './z.ts'),
    source('a/src/z.ts'),
  ]
  assert.deepEqual(cycleFindings(files), [])
})

test('a barrel and a computed import are reported', () => {
  const files = [
    { path: 'packages/base/src/all.ts', text: `export * from './clock.ts'` },
    { path: 'packages/base/src/load.ts', text: 'export const load = (name: string) => import(name)' },
  ]
  assert.deepEqual(moduleFindings(files), [
    'packages/base/src/all.ts only re-exports: import from where things are',
    'packages/base/src/load.ts:1 imports a computed name: write it out',
  ])
})

test('a dependency that is missing or not imported is reported', () => {
  const dependencies = { '@holdfast/protocol': '0.1.0', 'fast-check': '4.10.2' }
  const files = [
    { path: 'packages/generations/package.json', text: JSON.stringify({ dependencies }) },
    source('generations/src/a.ts', '@holdfast/base/clock'),
    source('generations/src/a.test.ts', '@holdfast/testkit/b'),
  ]
  assert.deepEqual(manifestFindings(files), [
    'packages/generations/package.json lacks @holdfast/base, which a module imports',
    'packages/generations/package.json names @holdfast/protocol, which no module imports',
  ])
})

test('a README that is missing or too long is reported', () => {
  const manifests = ['a', 'b'].map((name) => ({ path: `packages/${name}/package.json`, text: '{}' }))
  const long = { path: 'packages/b/README.md', text: 'line\n'.repeat(61) }
  assert.deepEqual(readmeFindings([...manifests, long]), [
    'packages/a/README.md is missing',
    'packages/b/README.md has 61 lines; the limit is 60',
  ])
})
