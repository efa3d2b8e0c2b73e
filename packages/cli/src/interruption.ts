import { constants } from 'node:os'
import type { SignalSource } from '@holdfast/generations/directory/watch-signals'

/** The signals that end a process whose terminal, user or supervisor wants it to. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Calls `end` with the exit code that a shell tells for the signal, once, until the end of the scope. */
export function onInterruption(source: SignalSource, end: (exitCode: number) => void): Disposable {
  const stop = () => {
    for (const { signal, listener } of listeners) source.off(signal, listener)
  }
  const listeners = ENDING.map((signal) => {
    const listener = () => {
      stop()
      end(128 + constants.signals[signal])
    }
    source.on(signal, listener)
    return { signal, listener }
  })
  return { [Symbol.dispose]: stop }
}

/** Resolves at the first of these signals: for what ends of itself then. */
export function interrupted(source: SignalSource): Promise<void> {
  return new Promise((resolve) => void onInterruption(source, () => resolve()))
}
