import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { systemBootClock } from '@holdfast/base/boot-clock'
import type { Clock } from '@holdfast/base/clock'
import { Failure } from '@holdfast/base/failure'
import { newIdentifier } from '@holdfast/base/identifier'
import type { Randomness } from '@holdfast/base/randomness'
import { replaceFile } from '@holdfast/generations/directory/json-file'
import { Holdfs } from '@holdfast/generations/holdfs/holdfs'
import { StagePool } from '@holdfast/generations/stage/stage-pool'
import { openObjectStore } from '@holdfast/generations/store/open-object-store'
import { HostAgent } from '@holdfast/host/agent/host-agent'
import { HolderLeases } from '@holdfast/host/holder-leases'
import { LeaseHolder } from '@holdfast/host/lease-holder'
import { RpcGenerationIndex } from '@holdfast/host/rpc-generation-index'
import { CONTROL_CALLS } from '@holdfast/protocol/control-calls'
import { HISTORY_CALLS } from '@holdfast/protocol/history-calls'
import { HOST_CALLS } from '@holdfast/protocol/host-calls'
import { HostId } from '@holdfast/protocol/identifiers'
import { LEASE_CALLS, LEASE_MARGIN_MS, LEASE_RENEW_MS, LEASE_TTL_MS } from '@holdfast/protocol/lease-calls'
import { RpcClient } from '@holdfast/rpc/rpc-client'
import { installedPrograms } from '@holdfast/sandbox/native-programs'
import type { RunningRole } from '../running-role.ts'
import type { SettingsOf } from '../settings.ts'
import { VERSION } from '../version.ts'
import { defectLog } from './log-defect.ts'
import { readKey } from './read-key.ts'
import type { RoleGround } from './role-ground.ts'
import { usableRuntimes } from './runtimes.ts'
import { usableVolume } from './volume.ts'

/** What a sandbox takes of a host's memory before its first command: some MiB, and room for one to grow. */
const MEMORY_OF_ONE_BYTES = 64 * 1024 * 1024

export async function startHost(ground: RoleGround, settings: SettingsOf<'host'>): Promise<RunningRole> {
  await using stack = new AsyncDisposableStack()
  mkdirSync(settings.state, { recursive: true, mode: 0o700 })
  const host = hostIdOf(settings.state, ground.randomness)
  const clusterKey = readKey(settings.clusterKeyFile)
  const control = stack.use(
    new RpcClient(CONTROL_CALLS, { address: settings.control, clusterKey, unreachable: 'overloaded' }),
  )
  const { history, leases } = openLeases(ground, settings, { host, clusterKey, stack })
  const { name, listen, state, store, storeKeyFile, warm, registries } = settings
  const threads = availableParallelism()
  const holdfs = stack.use(await Holdfs.start({ clock: ground.clock }))
  const { runtimes, refused } = await usableRuntimes(ground, settings.runtimes)
  const volume = await usableVolume(holdfs, settings)
  const agent = stack.use(
    await HostAgent.start(
      {
        ...ground,
        holdfs,
        pool: stack.use(new StagePool(threads)),
        threads,
        isRoot: process.geteuid?.() === 0,
        openStore: (address) => openObjectStore(address, { ...ground, s3Credentials: 'aws' }),
        openIndex: async () =>
          new RpcGenerationIndex({
            client: history,
            // A host acquires with a TTL, by its leases: nobody may do it past them.
            acquire: async (workspace) => {
              throw new Failure('internal', `a lease of ${workspace} is acquired by the lease holder`)
            },
          }),
        runtimes,
        holdwatch: installedPrograms().holdwatch,
        leases,
        control,
        connectHost: (address) =>
          new RpcClient(HOST_CALLS, { address, clusterKey, unreachable: 'host-unreachable' }),
        onFatal: (failure) => {
          ground.log.fatal({ err: failure }, 'only a fresh process gets over this')
          process.exit(1)
        },
        onDefect: defectLog(ground.log),
        onNotice: (notice) => ground.log.warn(notice),
      },
      {
        host,
        version: VERSION,
        clusterKey,
        volume,
        ...{ name, state, store, warm, registries, address: listen, keyFile: storeKeyFile },
        capacity: capacityOf(threads),
      },
    ),
  )
  const opened = stack.move()
  return {
    address: agent.address,
    publicUrl: null,
    offer: { runtimes: runtimes.map(({ kind }) => kind), refused, volume },
    [Symbol.asyncDispose]: async () => {
      // What is not closed by then is left as a crash leaves it: its last generation holds.
      await within(ground.clock, settings.graceMs, agent.closeAll(0))
      await opened.disposeAsync()
    },
  }
}

function capacityOf(cpus: number) {
  const memoryBytes = totalmem()
  return { cpus, memoryBytes, workspacesMax: Math.max(1, Math.floor(memoryBytes / MEMORY_OF_ONE_BYTES)) }
}

/** Resolves when the work is done, or after that long. */
async function within(clock: Clock, ms: number, work: Promise<void>): Promise<void> {
  const done = new AbortController()
  await Promise.race([work, clock.sleep(ms, done.signal).catch(() => {})]) // cut short by the end of the work
  done.abort()
}

function openLeases(
  ground: RoleGround,
  { lease, leaseTtlMs }: SettingsOf<'host'>,
  parts: { readonly host: HostId; readonly clusterKey: string; readonly stack: AsyncDisposableStack },
): { readonly history: RpcClient<typeof HISTORY_CALLS>; readonly leases: HolderLeases } {
  const { host, clusterKey, stack } = parts
  const at = { address: lease, clusterKey, unreachable: 'index-unavailable' } as const
  const client = stack.use(new RpcClient(LEASE_CALLS, at))
  const share = leaseTtlMs / LEASE_TTL_MS
  const timing = {
    ttlMs: leaseTtlMs,
    renewMs: Math.round(LEASE_RENEW_MS * share),
    marginMs: Math.round(LEASE_MARGIN_MS * share),
  }
  const leases = new HolderLeases((events) =>
    stack.use(new LeaseHolder({ ...ground, ...timing, client, host, bootClock: systemBootClock, events })),
  )
  return { history: stack.use(new RpcClient(HISTORY_CALLS, at)), leases }
}

/** The same over restarts: what a host left behind is its own. */
function hostIdOf(state: string, randomness: Randomness): HostId {
  const path = join(state, 'host-id')
  if (!existsSync(path)) replaceFile(path, `${newIdentifier('host', randomness)}\n`)
  return HostId.parse(readFileSync(path, 'utf8').trim())
}
