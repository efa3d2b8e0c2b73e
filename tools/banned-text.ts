import { isTestCode, type RepositoryFile } from './repository-files.ts'
import { lineAt, sourceText } from './source-text.ts'

interface Ban {
  /** What is not written; names the ban in findings. */
  readonly what: string
  readonly pattern: RegExp
  /** What is written in its place. */
  readonly instead: string
  /** Where it is looked for: in TypeScript without comments and literals, or without comments, or in every text. */
  readonly within: 'bare' | 'code' | 'text'
  /** Where it may stand. */
  readonly allowedIn: (path: string) => boolean
}

const CLOCK = 'packages/base/src/clock.ts'
/** The client runs in a browser, so it cannot import `base`: it has a ground of its own. */
const RANDOMNESS: ReadonlySet<string> = new Set([
  'packages/base/src/randomness.ts',
  'packages/client/src/client-ground.ts',
])
const INJECTED_CLOCK = 'a Clock of base, passed in'
const INJECTED_RANDOMNESS = 'a Randomness of base, passed in'
/** These two files spell the banned text out. */
const OWN_FILES: ReadonlySet<string> = new Set(['tools/banned-text.ts', 'tools/banned-text.test.ts'])

const nowhere = (): boolean => false
const clockOrTests = (path: string): boolean => path === CLOCK || isTestCode(path)
const tools = (path: string): boolean => path.startsWith('tools/')

export const BANS: readonly Ban[] = [
  {
    what: 'Date.now()',
    pattern: /\bDate\.now\b|\bnew Date\(\)/g,
    instead: INJECTED_CLOCK,
    within: 'bare',
    allowedIn: (path) => path === CLOCK,
  },
  {
    what: 'performance.now()',
    pattern: /\bperformance\.now\b|\bprocess\.hrtime\b/g,
    instead: INJECTED_CLOCK,
    within: 'bare',
    allowedIn: clockOrTests,
  },
  {
    what: 'setTimeout()',
    pattern: /(?<!\.)\bset(Timeout|Interval)\(/g,
    instead: INJECTED_CLOCK,
    within: 'bare',
    allowedIn: clockOrTests,
  },
  {
    what: 'node:timers',
    pattern: /['"]node:timers(\/promises)?['"]/g,
    instead: INJECTED_CLOCK,
    within: 'code',
    allowedIn: clockOrTests,
  },
  {
    what: 'Math.random()',
    pattern: /\bMath\.random\b/g,
    instead: INJECTED_RANDOMNESS,
    within: 'bare',
    allowedIn: nowhere,
  },
  {
    what: 'random bytes of node:crypto',
    pattern: /\b(random(Bytes|UUID|Int|Fill|FillSync)|getRandomValues)\(/g,
    instead: INJECTED_RANDOMNESS,
    within: 'bare',
    allowedIn: (path) => RANDOMNESS.has(path) || isTestCode(path),
  },
  {
    what: 'process.env',
    pattern: /\bprocess\.env\b/g,
    instead: 'a field of the configuration that config.ts parses',
    within: 'bare',
    allowedIn: (path) => path.endsWith('/config.ts') || isTestCode(path) || tools(path),
  },
  {
    what: 'console.log()',
    pattern: /\bconsole\.\w+\(/g,
    instead: 'a return value, a Failure, or the log that is passed in',
    within: 'bare',
    allowedIn: (path) => path.startsWith('packages/cli/') || isTestCode(path) || tools(path),
  },
  {
    what: 'exec() of a template',
    pattern: /(?<!\.)\bexec(Sync)?\(\s*`|\b(child_process|childProcess)\.exec(Sync)?\(/g,
    instead: 'execFile() with a list of arguments, so that no shell reads them',
    within: 'bare',
    allowedIn: nowhere,
  },
  {
    what: 'FIXME',
    pattern: /\b(FIXME|TODO|XXX)\b/g,
    instead: 'the finished code, or an issue',
    within: 'text',
    allowedIn: nowhere,
  },
  {
    what: "a developer's path",
    pattern: /(?<![\w.$}~-])\/(home|Users|root|work)\/[\w.-]+\//g,
    instead: 'a path relative to the repository, or one made by mkdtemp',
    within: 'text',
    allowedIn: nowhere,
  },
  {
    what: 'a registry host',
    pattern: /\bregistry\.[a-z]+(js)?\.(org|com)\b|"resolved": "http/g,
    instead: 'no address: npm is configured where it runs (omit-lockfile-registry-resolved)',
    within: 'text',
    allowedIn: nowhere,
  },
]

/** Every occurrence of banned text, as `path:line has x: write y`. */
export function bannedTextFindings(files: readonly RepositoryFile[]): string[] {
  return files
    .filter((file) => !OWN_FILES.has(file.path))
    .flatMap((file) => {
      const texts = file.path.endsWith('.ts')
        ? { ...sourceText(file.text), text: file.text }
        : { text: file.text }
      return BANS.flatMap((ban) => occurrences(ban, file.path, texts))
    })
}

function occurrences(
  ban: Ban,
  path: string,
  texts: { readonly bare?: string; readonly code?: string; readonly text: string },
): string[] {
  const text = texts[ban.within]
  if (text === undefined || ban.allowedIn(path)) return []
  return [...text.matchAll(ban.pattern)].map(
    (match) => `${path}:${lineAt(text, match.index)} has ${ban.what}: write ${ban.instead}`,
  )
}
