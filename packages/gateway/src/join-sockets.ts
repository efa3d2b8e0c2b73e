import type { Duplex } from 'node:stream'

/** Bytes both ways. An end is passed on; when one is gone the other still gets what was sent to it, and goes. */
export function joinSockets(one: Duplex, other: Duplex): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.pipe(to)
    from.on('error', () => from.destroy())
    from.once('close', () => to.end(() => to.destroy()))
  }
}
