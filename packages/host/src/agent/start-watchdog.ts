import type { HostLayout } from '../volume/host-layout.ts'
import { Watchdog } from '../watchdog/watchdog.ts'
import type { HostAgentDeps } from './host-agent-deps.ts'

/** Starts the watchdog and kills what an earlier one watched. Says which sandboxes it will not be able to kill. */
export async function startWatchdog(deps: HostAgentDeps, layout: HostLayout): Promise<Watchdog> {
  const { holdwatch, runtimes, onDefect, onNotice, onFatal } = deps
  for (const { kind } of runtimes.filter((runtime) => runtime.cgroupsOf('any').length === 0))
    onNotice?.(
      `sandboxes of ${kind} have no cgroup here: each keeps its deadline by itself, no watchdog does`,
    )
  const watchdog = await Watchdog.start({
    binary: holdwatch,
    directory: layout.watchdog,
    onKilled: (sandbox, lateMs) =>
      onNotice?.(`the watchdog killed ${sandbox}: ${lateMs} ms after its deadline`),
    onLost: (failure) => onDefect?.(failure, 'watchdog'),
    onGone: onFatal,
  })
  await Promise.all(watchdog.found.map((sandbox) => watchdog.kill(sandbox)))
  return watchdog
}
