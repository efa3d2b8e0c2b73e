import { watchDirectory } from './watch-directory.ts'
import { stopOnSignals } from './watch-signals.ts'
import { openDeps } from './watched-directory.fixture.ts'

/*
 * A process that watches: `node watch-process.fixture.ts <home> <directory> <everyMs | request as JSON> [command …]`.
 */
const [home = '', path = '', settings = '', ...command] = process.argv.slice(2)
let code = 1
{
  await using deps = await openDeps(home)
  const started = command.length > 0 ? { command: { command, cwd: path, stdio: 'ignore' as const } } : {}
  const request = /^\d+$/.test(settings) ? { everyMs: Number(settings) } : JSON.parse(settings)
  const watch = await watchDirectory(deps, { path, ...request, ...started })
  using _signals = stopOnSignals(watch, process, false)
  process.stdout.write(`${JSON.stringify({ command: watch.status().commandPid, holdfs: deps.holdfs.pid })}\n`)
  const end = await watch.ended
  process.stdout.write(`${JSON.stringify({ ...end, failure: end.failure?.code ?? null })}\n`)
  code = end.failure ? 1 : (end.command?.code ?? 0)
}
process.exitCode = code
