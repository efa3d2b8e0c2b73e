import { readFileSync } from 'node:fs'
import { Failure } from '@holdfast/base/failure'
import type { RuntimeKind } from '@holdfast/protocol/sandbox-spec'
import { installedPrograms } from '@holdfast/sandbox/native-programs'
import { NoneRuntime } from '@holdfast/sandbox/none/none-runtime'
import { RuncRuntime } from '@holdfast/sandbox/runc/runc-runtime'
import type { Runtime } from '@holdfast/sandbox/runtime'
import type { RoleGround } from './start-role.ts'

/** Where the limit is not a number. */
const OPEN_FILES_OTHERWISE = 1024

/**
 * The runtimes that work here, in the order in which they are wanted: each has started a sandbox to show it. Rejects with
 * `isolation-unavailable`, saying why, when none does.
 */
export async function usableRuntimes(
  ground: RoleGround,
  kinds: readonly RuntimeKind[],
): Promise<readonly Runtime[]> {
  const usable: Runtime[] = []
  const reasons: string[] = []
  for (const kind of kinds) {
    const runtime = runtimeOf(kind, ground)
    const reason = runtime === undefined ? 'this release has it not' : await runtime.probe()
    if (runtime && reason === null) usable.push(runtime)
    else reasons.push(`${kind}: ${reason}`)
  }
  if (usable.length === 0)
    throw new Failure('isolation-unavailable', `no runtime works here (${reasons.join('; ')})`)
  for (const reason of reasons) ground.log.warn({ reason }, 'a runtime does not work here')
  return usable
}

function runtimeOf(kind: RuntimeKind, ground: RoleGround): Runtime | undefined {
  const deps = { ...ground, programs: installedPrograms(), openFilesMax: grantableFiles() }
  switch (kind) {
    case 'runc':
      return new RuncRuntime(deps)
    case 'none':
      return new NoneRuntime(deps)
    case 'runsc':
    case 'bwrap':
      return undefined
  }
}

/** How many open files this process may grant to others: its own hard limit. */
function grantableFiles(): number {
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return hard === undefined ? OPEN_FILES_OTHERWISE : Number(hard)
}
