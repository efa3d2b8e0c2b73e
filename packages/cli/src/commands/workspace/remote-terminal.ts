import type { StartOptions } from '@holdfast/client/execs'
import type { Terminal } from '@holdfast/client/terminal'
import type { Workspace } from '@holdfast/client/workspace'
import { EXIT } from '../../exit-codes.ts'
import type { Context } from '../../open-context.ts'

export interface RemoteCommand {
  readonly argv: readonly string[]
  readonly options: StartOptions
  /** What is typed or piped in goes to it. */
  readonly passInput: boolean
  /** It gets a terminal. */
  readonly onTerminal: boolean
}

const SIZE_WITHOUT_SCREEN = { columns: 80, rows: 24 }

/** Runs a command on a terminal of its own, which this one shows: keys go there as they are pressed, Ctrl-C too. */
export async function runOnTerminal(
  context: Context,
  workspace: Workspace,
  command: Pick<RemoteCommand, 'argv' | 'options' | 'passInput'>,
): Promise<number> {
  const { terminal } = context
  const size = terminal.size() ?? SIZE_WITHOUT_SCREEN
  const running = await workspace.execs.start(command.argv, {
    ...command.options,
    env: { TERM: context.environment.TERM ?? 'xterm-256color', ...command.options.env },
    stdin: true,
    terminal: size,
  })
  const remote = running.attach()
  {
    using _closed = remote
    using _raw = terminal.isInputTerminal ? terminal.raw() : undefined
    using _resizing = terminal.onResize(() => {
      const now = terminal.size()
      if (now !== undefined) remote.resize(now).catch(() => {}) // the next one tells the size again
    })
    if (command.passInput) passKeys(context, remote)
    for await (const bytes of remote) await context.output.write(bytes)
  }
  const { exitCode, status } = await running.refresh()
  return status === 'exited' ? (exitCode ?? EXIT.failure) : EXIT.failure
}

function passKeys(context: Context, remote: Terminal): void {
  const pass = async () => {
    for await (const part of context.terminal.input)
      await remote.write(typeof part === 'string' ? part : new Uint8Array(part))
    // What was piped in is at its end: a terminal says so by Ctrl-D.
    await remote.write('\x04')
  }
  pass().catch(() => {}) // the command has ended
}
