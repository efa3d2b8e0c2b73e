/** One system call in a log of `strace -f -y`. */
export interface TracedCall {
  /** Which of the traced threads made it, counted from 0 in order of their first calls. */
  readonly thread: number
  readonly name: string
  /** Which of this thread's calls of that name it is, counted from 1: what strace's `when=` counts. */
  readonly nth: number
  /** Every path that it names, by itself or through a descriptor. */
  readonly paths: readonly string[]
  /** It did not happen: strace answered it. */
  readonly isInjected: boolean
}

/** The calls of a log in order of their beginnings. A call that was interrupted by another thread's is in two lines. */
export function parseTrace(log: string): TracedCall[] {
  const threads = new Map<string, number>()
  const counts = new Map<string, number>()
  const calls: (TracedCall & { isInjected: boolean; paths: string[] })[] = []
  const unfinished = new Map<string, (typeof calls)[0]>()
  for (const line of log.split('\n')) {
    const [, tid = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    const [, resumed, begun] = /^(?:<\.\.\. (\w+) resumed>|(\w+)\()/.exec(rest) ?? []
    const isInjected = rest.endsWith('(INJECTED)')
    const open = unfinished.get(tid)
    if (resumed !== undefined && open !== undefined) {
      open.isInjected = isInjected
      unfinished.delete(tid)
    } else if (begun !== undefined) {
      const thread = threads.get(tid) ?? threads.size
      threads.set(tid, thread)
      const nth = (counts.get(`${tid} ${begun}`) ?? 0) + 1
      counts.set(`${tid} ${begun}`, nth)
      const call = { thread, name: begun, nth, paths: pathsIn(rest), isInjected }
      calls.push(call)
      if (rest.endsWith('<unfinished ...>')) unfinished.set(tid, call)
    }
  }
  return calls
}

/** Descriptors are shown as `22</path>`, arguments as `"/path"`; what a call answers names no other path. */
function pathsIn(text: string): string[] {
  const asked = text.replace(/\) += .*$/, '')
  return Array.from(asked.matchAll(/\d<(\/[^>]*)>|"(\/[^"]*)"/g), ([, fd, name]) => fd ?? name ?? '')
}
