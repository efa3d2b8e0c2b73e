import type { DirectoryWatch } from './watch-directory.ts'

/** Where signals arrive: this process, or an emitter in its place. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown
  off(signal: NodeJS.Signals, listener: () => void): unknown
}

const STOPPING = ['SIGTERM', 'SIGHUP', 'SIGINT'] as const

/**
 * Lets the signals that would end this process stop the watch. `onTerminal`: a Ctrl-C reaches the command too, without
 * being passed on; the second one is passed on all the same, for a command that runs elsewhere.
 */
export function stopOnSignals(
  watch: Pick<DirectoryWatch, 'stop' | 'commandPid'>,
  source: SignalSource,
  onTerminal: boolean,
): Disposable {
  let interrupts = 0
  const listeners = STOPPING.map((signal) => {
    const listener = () => {
      const isDelivered = signal === 'SIGINT' && onTerminal && interrupts++ === 0
      if (!isDelivered || watch.commandPid === null) watch.stop(signal)
    }
    source.on(signal, listener)
    return { signal, listener }
  })
  return {
    [Symbol.dispose]: () => {
      for (const { signal, listener } of listeners) source.off(signal, listener)
    },
  }
}
