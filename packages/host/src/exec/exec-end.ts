import type { ExecReason, ExecState } from '@holdfast/protocol/exec'
import type { ExecEnd } from '@holdfast/sandbox/runtime'

/** Why a command is being ended. */
export type EndIntent =
  | { readonly kind: 'timeout' }
  | { readonly kind: 'ended'; readonly reason: Exclude<ExecReason, 'node_lost' | 'oom'> }

type Ended = Pick<ExecState, 'status' | 'reason' | 'exitCode' | 'signal'>

const LOST: Ended = { status: 'lost', reason: 'node_lost', exitCode: null, signal: null }

/** What a command's end is called. A command that got a signal of its own and exited all the same, exited. */
export function decideEnd(end: ExecEnd, intent: EndIntent | undefined): Ended {
  const exitCode = end.kind === 'exited' ? end.exitCode : null
  const signal = end.kind === 'signaled' ? end.signal : end.kind === 'gone' ? 'SIGKILL' : null
  if (intent?.kind === 'timeout') return { status: 'timed_out', reason: null, exitCode, signal }
  if (intent && intent.reason !== 'signal')
    return { status: 'killed', reason: intent.reason, exitCode, signal }
  switch (end.kind) {
    case 'exited':
      return { status: 'exited', reason: null, exitCode, signal: null }
    case 'signaled':
      return { status: 'killed', reason: end.isOom ? 'oom' : 'signal', exitCode: null, signal: end.signal }
    case 'gone':
      return LOST
  }
}

/** The state of a command whose host process has gone. */
export function lostState(state: ExecState, endedAt: number, lastSequence: number): ExecState {
  return { ...state, ...LOST, endedAt, lastSequence }
}
