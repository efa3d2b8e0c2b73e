import { lineAt, sourceText } from './source-text.ts'

export interface ModuleImport {
  readonly specifier: string
  readonly line: number
}

export interface ModuleImports {
  /** In the order of the source: imports, re-exports, `import('…')` as a value and as a type. */
  readonly imports: readonly ModuleImport[]
  /** Lines of an `import(…)` of something other than a literal: nobody can tell what it loads. */
  readonly opaqueLines: readonly number[]
  /** True if every statement is an import or a re-export, and at least one is the latter. */
  readonly isBarrel: boolean
}

const NAMES = String.raw`\{[^}]*\}|\*\s*(?:as\s+[\w$]+)?`
const RE_EXPORT = new RegExp(String.raw`\bexport\s+(?:type\s+)?(?:${NAMES})\s*from\s*['"]`, 'g')
const LOCAL_EXPORT = /\bexport\s+(?:type\s+)?\{[^}]*\}/g
const IMPORT = new RegExp(
  String.raw`\bimport\s+(?:type\s+)?(?:[\w$]+\s*,?\s*)?(?:${NAMES})?\s*from\s*['"]|\bimport\s*['"]`,
  'g',
)
const DYNAMIC_IMPORT = /\bimport\s*\(\s*['"`]/g
const OPAQUE_IMPORT = /\bimport\s*\(\s*[^'"`\s]|\bimport\s*\(\s*`[^`]*\$\{/g

/** What a module imports, read from its text. */
export function moduleImports(text: string): ModuleImports {
  const { code, bare } = sourceText(text)
  const found = [RE_EXPORT, IMPORT, DYNAMIC_IMPORT].flatMap((pattern) =>
    [...bare.matchAll(pattern)].map((match) => match.index + match[0].length),
  )
  const imports = found
    .sort((a, b) => a - b)
    .map((start) => ({ specifier: literalAt(code, start), line: lineAt(code, start) }))
  const opaqueLines = [...bare.matchAll(OPAQUE_IMPORT)].map((match) => lineAt(bare, match.index))
  return { imports, opaqueLines, isBarrel: isBarrel(bare) }
}

function literalAt(code: string, start: number): string {
  const quote = code.charAt(start - 1)
  return code.slice(start, code.indexOf(quote, start))
}

function isBarrel(bare: string): boolean {
  const withoutReExports = bare.replace(RE_EXPORT, '').replace(LOCAL_EXPORT, '')
  if (withoutReExports === bare) return false
  return withoutReExports.replace(IMPORT, '').replace(/[\s'";]/g, '') === ''
}
