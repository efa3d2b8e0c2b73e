import { createInterface } from 'node:readline/promises'
import { systemClock } from '@holdfast/base/clock'
import { systemRandomness } from '@holdfast/base/randomness'
import { environmentOfProcess } from './config.ts'
import { runCli } from './run-cli.ts'
import { terminalOfProcess } from './terminal-port.ts'

/** Runs the command line of this process and ends it. */
export async function runProcess(): Promise<never> {
  const terminal = terminalOfProcess()
  const exitCode = await runCli(process.argv.slice(2), {
    environment: environmentOfProcess(),
    stdout: process.stdout,
    stderr: process.stderr,
    clock: systemClock,
    randomness: systemRandomness,
    isRoot: process.geteuid?.() === 0,
    onTerminal: terminal.isInputTerminal,
    ask,
    signals: process,
    terminal,
    end: (exitCode) => process.exit(exitCode),
  })
  // Writes to pipes, files and terminals are synchronous on Linux: nothing is cut off, nothing abandoned is waited for.
  process.exit(exitCode)
}

async function ask(question: string): Promise<string> {
  using terminal = createInterface({ input: process.stdin, output: process.stderr })
  return await terminal.question(question)
}
