import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const EXAMPLES = new URL('../../../examples/sdk/', import.meta.url)
const RUN_MS_MAX = 40_000
const run = promisify(execFile)

/** What each example prints, so that it cannot run without doing what it says. */
export const SDK_EXAMPLES: Readonly<Record<string, RegExp>> = {
  'commands.mts': /^0 .*building\nexited 2\nstdout 1/s,
  'checkpoint-and-fork.mts': /^careful\n(ws_ careful\n){3}$/,
  'failures.mts': /^not-found false .*\n1 broken\nTimeoutError\n$/,
}

/** Runs an example as a reader would, against a server. Rejects when it fails, or prints something else. */
export async function runExample(
  name: string,
  server: { readonly url: string; readonly apiKey: string },
): Promise<void> {
  const { stdout } = await run(process.execPath, [fileURLToPath(new URL(name, EXAMPLES))], {
    timeout: RUN_MS_MAX,
    env: { PATH: process.env.PATH, HOLDFAST_URL: server.url, HOLDFAST_API_KEY: server.apiKey },
  })
  assert.match(stdout, SDK_EXAMPLES[name] ?? /./)
}
