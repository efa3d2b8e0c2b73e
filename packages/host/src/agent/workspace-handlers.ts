import type { HOST_CALLS, WorkspaceFacts } from '@holdfast/protocol/host-calls'
import type { RpcHandlers } from '@holdfast/rpc/rpc-server'
import type { RunningDrills } from '../drills/running-drills.ts'
import type { Durable } from '../workspace/capture-loop.ts'
import { generationSummary } from '../workspace/generation-summary.ts'
import type { HostAgentDeps } from './host-agent-deps.ts'
import { listeningPorts } from './listening-ports.ts'
import type { ResidentWorkspaces } from './resident-workspaces.ts'

type ExecCall = `${string}Exec` | `${string}Execs` | `exec${string}`
type WorkspaceCalls = Omit<RpcHandlers<typeof HOST_CALLS>, ExecCall>

interface WorkspaceHandlerDeps extends HostAgentDeps {
  readonly residents: ResidentWorkspaces
  readonly drills: RunningDrills
}

/** What is answered about whole workspaces. */
export function workspaceHandlers(deps: WorkspaceHandlerDeps): WorkspaceCalls {
  const { residents, clock, drills } = deps
  return {
    pinContent: (content) => residents.pin(content),
    openWorkspace: async (request) => (await residents.open(request)).facts,
    closeWorkspace: (request) => residents.close(request),
    forgetWorkspace: async ({ workspace }) => {
      await residents.forget(workspace)
      return {}
    },
    workspaceFacts: async ({ workspace }) => residents.get(workspace).facts,
    sync: async (run) => durableAnswer(await residents.ofRun(run).sync()),
    checkpoint: async ({ message, until, ...run }) => {
      const taken = await residents.ofRun(run).checkpoint(message, until)
      return taken.generation === null ? taken : durableAnswer(taken)
    },
    rollBack: async ({ workspace, generation }) => {
      const beganAt = clock.monotonicMs()
      const resident = residents.get(workspace)
      await resident.rollBack(generation)
      return { facts: resident.facts, tookMs: clock.monotonicMs() - beganAt }
    },
    handOff: (request) => handOff(deps, request),
    prepareIncoming: async ({ workspace, org, generation, content }) => {
      await residents.prepare({ workspace, org }, { generation, content })
      return { generation }
    },
    drill: (request, signal) => drills.drill(request, signal),
    setServices: async ({ workspace, services }) => ({
      services: await residents.get(workspace).setServices(services),
    }),
    serviceStates: async ({ workspace }) => ({ services: residents.get(workspace).serviceStates }),
    listeningPorts: async ({ workspace }, gone) => ({
      ports: await listeningPorts({ sandbox: residents.get(workspace).expectSandbox(), clock, gone }),
    }),
    drain: async () => {
      residents.drain()
      return {}
    },
  }
}

type HandOffOrder = Parameters<WorkspaceCalls['handOff']>[0]

/** Moves a workspace that is open here to another host. */
export async function handOff(
  { residents, connectHost }: Pick<WorkspaceHandlerDeps, 'residents' | 'connectHost'>,
  { workspace, target, drainMs }: HandOffOrder,
): Promise<{ facts: WorkspaceFacts; pauseMs: number; preCopyMs: number }> {
  const resident = residents.get(workspace)
  await using client = connectHost(target.address)
  try {
    return await resident.handOff({ target: { host: target.host, client }, drainMs })
  } finally {
    if (resident.state === 'failed') residents.leave(workspace)
  }
}

function durableAnswer({ generation, isNew, frozenMs }: Durable) {
  return { generation: generationSummary(generation), isNew, frozenMs }
}
