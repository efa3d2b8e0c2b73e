import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Workspace } from '@holdfast/client/workspace'
import { until } from '@holdfast/testkit/until'
import type { Installation } from './installation.ts'

const FILE = 'ticks'

/**
 * Each of `count` processes spins, and appends the epoch and the boot clock's milliseconds to a file as often as it gets
 * there: whenever one of them ran, a line says so.
 */
const PROGRAM = `
import os, sys, time
epoch, count = sys.argv[1], int(sys.argv[2])
out = os.open('${FILE}', os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for _ in range(count - 1):
    if os.fork() == 0: break
while True:
    for _ in range(20000): pass
    os.write(out, ('%s %.3f\\n' % (epoch, time.clock_gettime(time.CLOCK_BOOTTIME) * 1000)).encode())
`

/** Lets `count` processes of a workspace tell when they run; resolves once they do. Returns the epoch that they name. */
export async function beginTicks(
  installation: Installation,
  workspace: Workspace,
  count = 1,
): Promise<number> {
  const { epoch } = (await workspace.refresh()).state
  await workspace.exec(['python3', '-c', PROGRAM, `${epoch}`, `${count}`], { detached: true })
  await until('it ticks', () => (ticksOf(installation, workspace, epoch).length > count ? true : undefined))
  return epoch
}

/** The instants at which something of that epoch ran, in order, whatever host's disk has them, committed or not. */
export function ticksOf(installation: Installation, workspace: Workspace, epoch: number): number[] {
  const found = new Set<number>()
  for (const host of installation.hosts.keys())
    for (const line of linesOf(join(installation.filesOf(host, workspace), FILE))) {
      const [named, at] = line.split(' ')
      if (Number(named) === epoch && at !== undefined) found.add(Number(at))
    }
  return [...found].sort((a, b) => a - b)
}

/** Nothing of the first epoch ran after its deadline, nor after anything of the second began. */
export function assertApart(
  installation: Installation,
  workspace: Workspace,
  {
    first,
    second,
    deadlineMs,
  }: { readonly first: number; readonly second: number; readonly deadlineMs: number },
): void {
  const last = ticksOf(installation, workspace, first).at(-1) ?? 0
  const next = ticksOf(installation, workspace, second)[0] ?? 0
  assert.ok(last > 0 && next > 0, 'both have ticked')
  assert.ok(last <= deadlineMs, `epoch ${first} ran ${Math.ceil(last - deadlineMs)} ms after its deadline`)
  assert.ok(last < next, `epoch ${first} ran ${Math.ceil(last - next)} ms into epoch ${second}`)
}

/** Waits for an instant at which the sandbox of a host stands still for a capture, and runs `strike` within it. */
export async function duringFreeze(
  installation: Installation,
  host: string,
  strike: () => void,
): Promise<void> {
  const folder = join(installation.stateOf(host), 'sandboxes')
  const [sandbox] = readdirSync(folder)
  const record = JSON.parse(readFileSync(join(folder, sandbox ?? '', 'sandbox.json'), 'utf8')) as {
    readonly cgroup: { readonly freezer: string }
  }
  await until('it is frozen', () => {
    // Between two captures nothing else may delay the strike: it looks without a pause for as long as one takes.
    for (const end = performance.now() + 50; performance.now() < end; )
      if (readFileSync(join(record.cgroup.freezer, 'freezer.state'), 'latin1').startsWith('FROZEN')) {
        strike()
        return true
      }
    return undefined
  })
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'latin1').split('\n').slice(0, -1)
  } catch {
    return []
  }
}
