import { join } from 'node:path'
import { newIdentifier } from '@holdfast/base/identifier'
import { systemRandomness } from '@holdfast/base/randomness'
import type { Workspace } from '@holdfast/client/workspace'
import { ExecRequest } from '@holdfast/protocol/exec'
import { HISTORY_CALLS } from '@holdfast/protocol/history-calls'
import { HOST_CALLS } from '@holdfast/protocol/host-calls'
import { ExecId, OrgId, WorkspaceId } from '@holdfast/protocol/identifiers'
import { SANDBOX_SPEC_DEFAULT, type SandboxSpec } from '@holdfast/protocol/sandbox-spec'
import { RpcClient } from '@holdfast/rpc/rpc-client'
import { readKey } from '@holdfast/server/roles/read-key'
import { BenchInstallation } from '../bench-installation.ts'
import type { BenchRun, Suite } from '../bench-run.ts'
import { median, outputOf, quantile } from '../measure.ts'
import { runc } from '../peers/raw-sandboxes.ts'
import { type Attempts, attempts, successPct, wallMs } from '../timing.ts'

const LARGE_BYTES = 1e9
const TURNS = 5

const gvisor = {
  name: 'runsc',
  aptPackage: 'runsc',
  version: async () => (await outputOf('runsc', '--version'))?.split('\n')[0],
}

export const workspace: Suite = {
  name: 'workspace',
  cases: ['create-host', 'create-host-gvisor', 'create-api', 'checkpoint', 'fork', 'rollback'],
  peers: [runc, gvisor],
  run: runWorkspace,
}

async function runWorkspace(bench: BenchRun): Promise<void> {
  {
    await using installation = await BenchInstallation.start({ folder: bench.disk.folder('runc') })
    if (bench.wants('create-host')) await runAtHost(bench, 'create-host', installation)
    if (bench.wants('create-api')) await runThroughApi(bench, installation)
    if (['checkpoint', 'fork', 'rollback'].some(bench.wants)) await runLarge(bench, installation)
  }
  if (!bench.wants('create-host-gvisor')) return
  const folder = bench.disk.folder('runsc')
  await using installation = await BenchInstallation.start({ folder, runtime: 'runsc' })
  await runAtHost(bench, 'create-host-gvisor', installation, { isolationMin: 'sandboxed-kernel' })
}

/** What a host needs from being asked to the end of the first command: no database of control, no HTTP API. */
async function runAtHost(
  bench: BenchRun,
  name: string,
  installation: BenchInstallation,
  spec: Partial<SandboxSpec> = {},
): Promise<void> {
  const { folder, holdfast } = installation
  bench.say(`${name}: create and run at the host`)
  const clusterKey = readKey(join(folder, 'server/cluster.key'))
  const at = (role: string) => ({ address: `unix:${join(folder, 'server/run', role)}.sock`, clusterKey })
  await using history = new RpcClient(HISTORY_CALLS, { ...at('lease'), unreachable: 'index-unavailable' })
  await using host = new RpcClient(HOST_CALLS, { ...at('host0'), unreachable: 'host-unreachable' })
  const { value: own } = await holdfast.platform.orgs().next()
  const org = OrgId.parse(own?.id)
  // Control would end what it does not know of.
  using _still = installation.standStill('control')
  const made = await attempts((bench.quick ? 1 : 4) * TURNS, async () => {
    const id = WorkspaceId.parse(newIdentifier('ws', systemRandomness))
    await history.call('createWorkspace', { id, org })
    const open = { workspace: id, org, services: [], handedOver: null, rollBackTo: null }
    const ms = await wallMs(async () => {
      const { epoch } = await host.call('openWorkspace', {
        ...open,
        spec: { ...SANDBOX_SPEC_DEFAULT, ...spec },
      })
      const exec = ExecId.parse(newIdentifier('ex', systemRandomness))
      const request = ExecRequest.parse({ argv: ['true'], stdin: false })
      await host.call('startExec', { workspace: id, epoch, exec, request, waitMs: 10_000, outputBytesMax: 0 })
    })
    await host.call('closeWorkspace', { workspace: id, cause: 'termination', drainMs: 0, force: true })
    await host.call('forgetWorkspace', { workspace: id })
    return ms
  })
  reportAttempts(bench, name, made)
}

async function runThroughApi(bench: BenchRun, { holdfast }: BenchInstallation): Promise<void> {
  bench.say('create and run through the API')
  const made = await attempts((bench.quick ? 1 : 4) * TURNS, async () => {
    let created: Workspace | undefined
    const ms = await wallMs(async () => {
      created = await holdfast.create({})
      await created.exec(['true'], { throwOnError: true })
    })
    await created?.remove({ force: true })
    return ms
  })
  reportAttempts(bench, 'create-api', made)
}

/** A workspace that runs, and has a gigabyte. */
async function runLarge(bench: BenchRun, { holdfast }: BenchInstallation): Promise<void> {
  const bytes = bench.quick ? LARGE_BYTES / 10 : LARGE_BYTES
  bench.say(`a workspace of ${bytes / 1e6} MB`)
  const large = await holdfast.create({})
  await large.exec(`head -c ${bytes} /dev/urandom >large`, { throwOnError: true })
  const first = await large.sync()
  const change = (turn: number) => large.exec(`echo ${turn} >answer`, { throwOnError: true })
  const checkpoint = await attempts(TURNS, async (turn) => {
    await change(turn)
    return await wallMs(() => large.checkpoints.create('', { until: 'local' }))
  })
  reportAttempts(bench, 'checkpoint', checkpoint)
  const fork = await attempts(TURNS, async () => {
    let forked: Workspace | undefined
    const ms = await wallMs(async () => {
      forked = await large.fork({ at: first.generation.id })
    })
    await forked?.remove({ force: true })
    return ms
  })
  reportAttempts(bench, 'fork', fork)
  const rollback = await attempts(TURNS, async (turn) => {
    await change(turn)
    return await wallMs(() => large.rollback(first.generation.id))
  })
  reportAttempts(bench, 'rollback', rollback)
}

function reportAttempts(bench: BenchRun, name: string, made: Attempts): void {
  if (!bench.wants(name)) return
  bench.report({ case: name, metric: 'p50_ms', value: median(made.ms) })
  bench.report({ case: name, metric: 'p95_ms', value: quantile(made.ms, 0.95) })
  bench.report({ case: name, metric: 'success_pct', value: successPct(made) })
  const [failure] = made.failures
  if (failure !== undefined) bench.say(`${name}: ${String(failure)}`)
}
