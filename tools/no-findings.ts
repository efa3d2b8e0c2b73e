import assert from 'node:assert/strict'

/** Fails with one finding a line. */
export function noFindings(findings: readonly string[]): void {
  assert.ok(findings.length === 0, `\n${findings.join('\n')}`)
}
