import { readFileSync } from 'node:fs'
import { Failure } from '@holdfast/base/failure'
import type { CommandSpec } from '../command.ts'

const MANIFEST = new URL('../../package.json', import.meta.url)

export const versionCommand: CommandSpec = {
  path: ['version'],
  summary: 'Show the version',
  arguments: [],
  options: [],
  examples: [{ line: 'version -o json', shows: 'with the versions of Node and SQLite' }],
  async run(context) {
    const version = readVersion()
    const { node, sqlite = 'none' } = process.versions
    await context.output.show({
      text: () => `hold ${version} (Node ${node}, SQLite ${sqlite})\n`,
      json: () => ({ version, node, sqlite }),
      ids: () => [version],
    })
    return undefined
  },
}

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(MANIFEST, 'utf8'))
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest)
    return String(manifest.version)
  throw new Failure('internal', 'the manifest of this package names no version')
}
