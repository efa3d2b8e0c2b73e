import type { RepositoryFile } from './repository-files.ts'
import { lineAt, sourceText } from './source-text.ts'

const FILE_LINES_MAX = 400
const FUNCTION_LINES_MAX = 70

/** Written by people and read by people, so small enough for one look. */
const SOURCE = /\.(ts|c|h|sh)$|^bin\//

/** Sources with more lines than a reader keeps in mind. */
export function longFileFindings(files: readonly RepositoryFile[]): string[] {
  return files
    .filter((file) => SOURCE.test(file.path))
    .map((file) => ({ path: file.path, lines: file.text.trimEnd().split('\n').length }))
    .filter((file) => file.lines > FILE_LINES_MAX)
    .map((file) => `${file.path} has ${file.lines} lines; the limit is ${FILE_LINES_MAX}`)
}

/**
 * Functions of TypeScript sources that are too long, measured from the brace that opens to the one that closes. One
 * that registers tests is a list, read one test at a time: only the tests in it are measured.
 */
export function longFunctionFindings(files: readonly RepositoryFile[]): string[] {
  return files
    .filter((file) => file.path.endsWith('.ts'))
    .flatMap(({ path, text }) =>
      functionBodies(sourceText(text).bare)
        .filter((body) => body.lines > FUNCTION_LINES_MAX)
        .map(
          (body) =>
            `${path}:${lineAt(text, body.start)} is a function of ${body.lines} lines; the limit is ${FUNCTION_LINES_MAX}`,
        ),
    )
}

interface FunctionBody {
  readonly start: number
  readonly lines: number
}

function functionBodies(bare: string): FunctionBody[] {
  const open: { readonly start: number; readonly isFunction: boolean }[] = []
  const bodies: FunctionBody[] = []
  for (const brace of bare.matchAll(/[{}]/g)) {
    if (brace[0] === '{') {
      open.push({ start: brace.index, isFunction: opensFunction(bare, brace.index) })
      continue
    }
    const opened = open.pop()
    if (!opened?.isFunction) continue
    const body = bare.slice(opened.start, brace.index)
    const registersTests = /^\s*(test|describe)\(/m.test(body)
    if (!registersTests) bodies.push({ start: opened.start, lines: body.split('\n').length })
  }
  return bodies
}

/** True for the brace behind `=>`, and behind a `)` with or without a type that no control keyword began. */
function opensFunction(bare: string, brace: number): boolean {
  const line = bare.slice(bare.lastIndexOf('\n', brace) + 1, brace).trim()
  if (line.endsWith('=>')) return true
  if (/^(\}\s*)?(else\s+)?(if|for|while|switch|catch|with)\b/.test(line)) return false
  return /\)(\s*:\s*[^=;]+)?$/.test(line)
}
