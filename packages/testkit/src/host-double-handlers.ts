import { Failure } from '@holdfast/base/failure'
import type { HOST_CALLS, WorkspaceFacts } from '@holdfast/protocol/host-calls'
import type { WorkspaceId } from '@holdfast/protocol/identifiers'
import { Digest, type PackSpec } from '@holdfast/protocol/sandbox-spec'
import type { ServiceSpec, ServiceState } from '@holdfast/protocol/service'
import type { RpcHandlers } from '@holdfast/rpc/rpc-server'
import { killGroup } from './host-double-execs.ts'
import type { HostDoubleGround } from './host-double-ground.ts'

type Handlers = RpcHandlers<typeof HOST_CALLS>

export function hostHandlers(double: HostDoubleGround): Handlers {
  return {
    ...lifeHandlers(double),
    ...captureHandlers(double),
    ...execHandlers(double),
    ...serviceHandlers(double),
  }
}

type Life =
  | 'pinContent'
  | 'openWorkspace'
  | 'closeWorkspace'
  | 'forgetWorkspace'
  | 'workspaceFacts'
  | 'prepareIncoming'
  | 'handOff'
  | 'drain'

function lifeHandlers(double: HostDoubleGround): Pick<Handlers, Life> {
  const { histories } = double.options
  return {
    pinContent: async ({ system, packs }) => ({
      system:
        system.kind === 'image'
          ? { ...system, digest: system.digest ?? double.digestOf(system.reference) }
          : system,
      packs: packs.map((pack) => ({ ...pack, digest: pack.digest ?? double.digestOf(pack.source) })),
    }),
    openWorkspace: async ({ workspace, spec, rollBackTo, handedOver }) => {
      const open = double.workspaces.get(workspace)
      if (open && rollBackTo === null) return double.factsOf(open)
      const epoch = handedOver?.epoch ?? histories.acquire(workspace, double.id)
      if (rollBackTo !== null) histories.append(workspace, { cause: 'rollback' })
      return double.factsOf(
        double.open(workspace, await freshFacts(double, { workspace, epoch }, spec.packs)),
      )
    },
    closeWorkspace: async ({ workspace, cause, force }) => {
      const open = double.find(workspace)
      const outcome = double.closeOutcome
      if (outcome) {
        double.closeOutcome = undefined
        if (outcome.sandbox === 'gone' || force) double.drop(workspace)
        const failure = { code: 'store-unavailable', message: 'no store', details: {} } as const
        return { ...outcome, sandbox: force ? 'gone' : outcome.sandbox, failure }
      }
      open.execs.kill()
      const generation = histories.append(workspace, { cause })
      histories.release(workspace)
      double.drop(workspace)
      return { kind: 'saved', generation }
    },
    forgetWorkspace: async () => ({}),
    workspaceFacts: async ({ workspace }) => double.factsOf(double.find(workspace)),
    prepareIncoming: async ({ generation }) => ({ generation }),
    handOff: async ({ workspace, target }) => {
      const open = double.find(workspace)
      histories.append(workspace, { cause: 'handoff' })
      histories.release(workspace)
      const epoch = histories.acquire(workspace, target.host)
      double.drop(workspace)
      const packs = open.facts.sandbox?.packs ?? []
      const facts = await freshFacts(
        double,
        { workspace, epoch },
        packs.map((pack) => ({ ...pack, source: pack.name })),
      )
      double.onHandOff(target.host, facts)
      return { facts, pauseMs: 1, preCopyMs: 1 }
    },
    drain: async () => ({}),
  }
}

async function freshFacts(
  { options: { histories, nowMs } }: HostDoubleGround,
  { workspace, epoch }: Pick<WorkspaceFacts, 'workspace' | 'epoch'>,
  packs: readonly PackSpec[],
): Promise<WorkspaceFacts> {
  const [head] = await histories.list(workspace, { limit: 1 })
  return {
    ...{ workspace, epoch, state: 'running', head: head?.id ?? null, sequence: head?.sequence ?? 0 },
    sandbox: {
      ...{
        runtime: 'runc',
        isolation: 'shared-kernel',
        volume: 'live',
        consistency: 'cut',
        fsync: 'relaxed',
      },
      ...{ diskLimit: 'none', start: 'cold' },
      packs: packs.map(({ name, digest }) => ({ name, digest: Digest.parse(digest) })),
    },
    ...{ lastDurableAt: head?.createdAt ?? null, syncLagMs: 0, rpoMs: 1000, frozenMsP95: 1 },
    pressure: 'none',
    ...{ quietSinceAt: nowMs(), failure: null },
  }
}

type Capture = 'sync' | 'checkpoint' | 'rollBack' | 'drill'

function captureHandlers(double: HostDoubleGround): Pick<Handlers, Capture> {
  const { histories } = double.options
  function committed(workspace: WorkspaceId, cause: string, message = '') {
    const open = double.find(workspace)
    const generation = histories.append(workspace, { cause, message })
    open.facts = { ...open.facts, head: generation.id, sequence: generation.sequence }
    return { generation, isNew: true, frozenMs: 1 }
  }
  return {
    sync: async ({ workspace }) => committed(workspace, 'sync'),
    checkpoint: async ({ workspace, message }) => committed(workspace, 'checkpoint', message),
    rollBack: async ({ workspace }) => {
      const open = double.find(workspace)
      open.execs.kill()
      committed(workspace, 'periodic')
      committed(workspace, 'rollback')
      return { facts: double.factsOf(open), tookMs: 1 }
    },
    drill: async ({ workspace, generation }) => {
      const [head] = await histories.list(workspace, { limit: 1 })
      const drilled = generation ?? head?.id
      if (drilled === undefined) throw new Failure('not-found', 'nothing was committed yet')
      return { generation: drilled, outcome: 'verified', detail: 'all bytes fit', tookMs: 1 }
    },
  }
}

type Exec = 'startExec' | 'execState' | 'listExecs' | 'signalExec' | 'resizeExec' | 'execInput' | 'deleteExec'

function execHandlers(double: HostDoubleGround): Pick<Handlers, Exec> {
  return {
    startExec: async ({ workspace, exec, request, waitMs, outputBytesMax }) => {
      const running = double.find(workspace).execs.start(exec, request)
      await withinMs(running.ended, waitMs)
      let bytes = 0
      const output = running.output.filter((chunk) => {
        bytes += (chunk.bytes.length * 3) / 4
        return bytes <= outputBytesMax
      })
      return { exec: running.state, output, isOutputWhole: output.length === running.output.length }
    },
    execState: async ({ workspace, exec, waitMs }) => {
      const running = double.find(workspace).execs.get(exec)
      await withinMs(running.ended, waitMs)
      return running.state
    },
    listExecs: async ({ workspace }) => ({ execs: double.find(workspace).execs.states() }),
    signalExec: async ({ workspace, exec, signal }) => {
      killGroup(double.find(workspace).execs.get(exec).child, signal as NodeJS.Signals)
      return {}
    },
    resizeExec: async () => ({}),
    execInput: async ({ workspace, exec, bytes, isEnd }) => {
      const { child } = double.find(workspace).execs.get(exec)
      child?.stdin?.write(Buffer.from(bytes, 'base64'))
      if (isEnd) child?.stdin?.end()
      return {}
    },
    deleteExec: async ({ workspace, exec }) => {
      const { execs } = double.find(workspace)
      const running = execs.get(exec)
      killGroup(running.child, 'SIGTERM')
      await running.ended
      execs.forget(exec)
      return running.state
    },
  }
}

function serviceHandlers(
  double: HostDoubleGround,
): Pick<Handlers, 'setServices' | 'serviceStates' | 'listeningPorts'> {
  const states = new Map<WorkspaceId, ServiceState[]>()
  return {
    setServices: async ({ workspace, services }) => {
      double.find(workspace)
      states.set(workspace, services.map(stateOf))
      return { services: states.get(workspace) ?? [] }
    },
    serviceStates: async ({ workspace }) => ({ services: states.get(workspace) ?? [] }),
    listeningPorts: async () => ({ ports: [] }),
  }

  function stateOf({ name }: ServiceSpec): ServiceState {
    return { name, status: 'healthy', exec: `svc-${name}`, restarts: 0, since: double.options.nowMs() }
  }
}

async function withinMs(ended: Promise<void>, ms: number): Promise<void> {
  if (ms === 0) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  await Promise.race([ended, promise])
  clearTimeout(timer)
}
