import type { RepositoryFile } from './repository-files.ts'
import { lineAt, sourceText } from './source-text.ts'

/** They say nothing about what a thing is: the better name says what it holds or does. */
const EMPTY_WORDS: ReadonlySet<string> = new Set([
  ...['manager', 'managers', 'helper', 'helpers', 'util', 'utils'],
  ...['common', 'shared', 'misc', 'impl'],
])
/** Empty as the noun of a name (`packData`), not in front of one (`dataRanges`, as opposed to holes). */
const EMPTY_NOUNS: ReadonlySet<string> = new Set(['data', 'info'])
/** Verbs that any function could have. */
const EMPTY_VERBS: ReadonlySet<string> = new Set(['do', 'process'])

const EXPORT =
  /^export\s+(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(function\*?|class|interface|type|const|let)\s+([\w$]+)/gm

interface ExportedName {
  readonly name: string
  readonly kind: string
  readonly line: number
}

function exportedNames(text: string): ExportedName[] {
  const { bare } = sourceText(text)
  return [...bare.matchAll(EXPORT)].map((match) => {
    const [, kind = '', name = ''] = match
    return { name, kind, line: lineAt(bare, match.index) }
  })
}

/** `['pack', 'data']` for `packData`, `PackData` and `PACK_DATA`. */
export function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z\d])([A-Z])/g, '$1_$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^a-z\d]+/)
    .filter((word) => word !== '')
}

function objection({ name, kind }: ExportedName): string | undefined {
  const words = wordsOf(name)
  const [first = ''] = words
  const empty =
    words.find((word) => EMPTY_WORDS.has(word)) ?? words.slice(-1).find((word) => EMPTY_NOUNS.has(word))
  if (empty !== undefined) return `'${empty}' says nothing`
  if (kind.startsWith('function') && words.length > 1 && EMPTY_VERBS.has(first))
    return `'${first}' names no verb`
  if (/^(interface|type|class)$/.test(kind) && /^I[A-Z][a-z]/.test(name)) return 'an I in front says nothing'
  return undefined
}

function fileObjection(path: string): string | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1).replace(/\..*$/, '')
  if (!/^[a-z\d]+(-[a-z\d]+)*$/.test(name)) return 'file names are kebab-case'
  const empty = wordsOf(name).find((word) => EMPTY_WORDS.has(word) || EMPTY_NOUNS.has(word))
  return empty === undefined ? undefined : `'${empty}' says nothing`
}

/** Sources whose name, or the name of something they export, is forbidden. */
export function nameFindings(files: readonly RepositoryFile[]): string[] {
  return files
    .filter((file) => file.path.endsWith('.ts'))
    .flatMap(({ path, text }) => {
      const why = fileObjection(path)
      const exported = exportedNames(text).flatMap((found) => {
        const reason = objection(found)
        return reason === undefined ? [] : [`${path}:${found.line} exports ${found.name}: ${reason}`]
      })
      return why === undefined ? exported : [`${path}: ${why}`, ...exported]
    })
}
