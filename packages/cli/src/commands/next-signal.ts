import type { SignalSource } from '@holdfast/generations/directory/watch-signals'

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Resolves at the first signal that asks a server to end. */
export function nextSignal(source: SignalSource): Promise<void> {
  return new Promise((resolve) => {
    const listener = () => {
      for (const signal of ENDING) source.off(signal, listener)
      resolve()
    }
    for (const signal of ENDING) source.on(signal, listener)
  })
}
