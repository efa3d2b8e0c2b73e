import type { ExecState, OutputChunk } from '@holdfast/protocol/exec'
import type { HOST_CALLS } from '@holdfast/protocol/host-calls'
import type { RpcHandlers } from '@holdfast/rpc/rpc-server'
import type { ResidentExec } from '../exec/resident-exec.ts'
import { parseSignal } from './exec-attach.ts'
import { chunkOf } from './exec-streams.ts'
import type { ResidentWorkspaces } from './resident-workspaces.ts'

type ExecCalls = Pick<
  RpcHandlers<typeof HOST_CALLS>,
  'startExec' | 'execState' | 'listExecs' | 'signalExec' | 'resizeExec' | 'execInput' | 'deleteExec'
>

/** What is answered about commands; of those that have ended also while the workspace is not open. */
export function execHandlers(residents: ResidentWorkspaces): ExecCalls {
  const find = ({ workspace, exec }: { workspace: string; exec: string }) =>
    residents.registry(workspace).get(exec)
  return {
    startExec: async ({ exec: id, request, waitMs, outputBytesMax, ...run }, signal) => {
      const sandbox = () => (residents.find(run.workspace) ? residents.ofRun(run).sandbox : undefined)
      const exec = await residents.registry(run.workspace).start(sandbox, { id, request })
      await exec.endsWithin(waitMs, signal)
      return { exec: exec.state, ...(await inlineOutput(exec, outputBytesMax)) }
    },
    execState: async ({ waitMs, ...name }, signal) => {
      const exec = find(name)
      await exec.endsWithin(waitMs, signal)
      return exec.state
    },
    listExecs: async ({ workspace }) => ({ execs: residents.registry(workspace).list() }),
    signalExec: async ({ signal, ...name }) => {
      await find(name).signal(parseSignal(signal))
      return {}
    },
    resizeExec: async ({ size, ...name }) => {
      await find(name).resize(size.columns, size.rows)
      return {}
    },
    execInput: async ({ bytes, isEnd, ...name }) => {
      const exec = find(name)
      if (bytes !== '') await exec.write(Buffer.from(bytes, 'base64'))
      if (isEnd) await exec.endInput()
      return {}
    },
    deleteExec: async ({ graceMs, ...name }) => await endOrForget(residents, { ...name, graceMs }),
  }
}

async function endOrForget(
  residents: ResidentWorkspaces,
  { workspace, exec: id, graceMs }: { workspace: string; exec: string; graceMs: number },
): Promise<ExecState> {
  const registry = residents.registry(workspace)
  const exec = registry.get(id)
  if (exec.isRunning) return await exec.stop({ kind: 'ended', reason: 'signal' }, graceMs)
  const { state } = exec
  await registry.forget(id)
  return state
}

/** The first output, as much as is asked for. */
async function inlineOutput(
  exec: ResidentExec,
  bytesMax: number,
): Promise<{ output: OutputChunk[]; isOutputWhole: boolean }> {
  const output: OutputChunk[] = []
  let bytes = 0
  if (exec.ring.lastSequence === 0) return { output, isOutputWhole: true }
  for await (const event of exec.ring.read(0)) {
    if (event.kind === 'gap') return { output, isOutputWhole: false }
    bytes += event.piece.bytes.length
    if (bytes > bytesMax) return { output, isOutputWhole: false }
    output.push(chunkOf(event.piece))
  }
  return { output, isOutputWhole: true }
}
