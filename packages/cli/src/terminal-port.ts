import { isatty } from 'node:tty'

/** What a person types on, or what is piped in, and how large the screen is. */
export interface TerminalPort {
  /** The standard input. */
  readonly input: NodeJS.ReadableStream
  /** True where a person types. */
  readonly isInputTerminal: boolean
  /** Of the screen; undefined where the standard output is none. */
  readonly size: () => { readonly columns: number; readonly rows: number } | undefined
  /** Keys arrive as they are pressed, Ctrl-C too, until the end of the scope. */
  readonly raw: () => Disposable
  readonly onResize: (listener: () => void) => Disposable
}

/** The terminal of this process. Its streams are opened when they are asked for: most commands do without input. */
export function terminalOfProcess(): TerminalPort {
  const { stdout } = process
  return {
    get input() {
      return process.stdin
    },
    isInputTerminal: isatty(0),
    size: () => (stdout.isTTY ? { columns: stdout.columns, rows: stdout.rows } : undefined),
    raw: () => {
      process.stdin.setRawMode?.(true)
      return { [Symbol.dispose]: () => void process.stdin.setRawMode?.(false) }
    },
    onResize: (listener) => {
      stdout.on('resize', listener)
      return { [Symbol.dispose]: () => void stdout.off('resize', listener) }
    },
  }
}
