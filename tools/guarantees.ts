export const GUARANTEES_PAGE = 'docs/guarantees.md'

const HEADER = /^\| promise +\|.*\| tests +\|$/m

/**
 * What is wrong with the rows `| I1 … | … | tests |` of the guarantees: the last cell names, in backticks, the test
 * files that prove the promise, and each of them exists.
 */
export function guaranteeFindings(page: string, paths: ReadonlySet<string>): string[] {
  if (!HEADER.test(page)) return [`${GUARANTEES_PAGE} has no table whose last column is 'tests'`]
  const rows = page.split('\n').filter((line) => /^\|\s*\**I\d+\b/.test(line))
  return rows.flatMap((row) => {
    const cells = row.replace(/\|\s*$/, '').split('|')
    const promise = /I\d+/.exec(row)?.[0] ?? row
    const tests = [...(cells.at(-1) ?? '').matchAll(/`([^`]+)`/g)].map(([, path = '']) => path)
    if (tests.length === 0) return [`${promise} names no test`]
    return tests.flatMap((path) => missingTest(promise, path, paths))
  })
}

function missingTest(promise: string, path: string, paths: ReadonlySet<string>): string[] {
  if (!/\.(test|fuzz)\.ts$/.test(path)) return [`${promise} names ${path}, which is no test file`]
  return paths.has(path) ? [] : [`${promise} names ${path}, which does not exist`]
}
