import { HOST_CALLS } from '@holdfast/protocol/host-calls'
import { hostId, LEASE_ORG, workspaceId } from '@holdfast/testkit/lease-registry-fixture'
import { Database } from './database.ts'
import { Driver } from './driver.ts'
import { ALL_GUARDS, type Guards } from './guards.ts'
import { Host } from './host.ts'
import { Line } from './line.ts'
import { Machine } from './machine.ts'
import { Nemesis } from './nemesis.ts'
import { Network, type Node } from './network.ts'
import { Oracle } from './oracle.ts'
import { Scheduler } from './scheduler.ts'
import { SimulatedStore } from './store.ts'
import { drawSwarm, type Swarm } from './swarm.ts'

const HOSTS = 3
const WORKSPACES = 2
const CHAOS_MS = 60_000
/** Everything that may still be under way when the faults end, and one sync of each workspace. */
const HEALED_MS_MAX = 120_000
const LOOK_MS = 500

export interface Outcome {
  readonly violation: string | undefined
  /** Of all that happened, in order. */
  readonly digest: string
  readonly tail: readonly string[]
  readonly simulatedMs: number
  readonly events: number
  readonly counts: Oracle['counts']
  /** How long after the end of the faults every workspace was back. */
  readonly recoveredMs: number
}

/** One run: hosts, a database and a store, with the real code on the hosts, chaos for a minute, then peace. */
export async function simulate(
  seed: number,
  options: { readonly guards?: Partial<Guards>; readonly folder: string },
): Promise<Outcome> {
  const guards = { ...ALL_GUARDS, ...options.guards }
  const scheduler = new Scheduler(seed)
  const swarm = drawSwarm(scheduler)
  const store = new SimulatedStore(scheduler, swarm)
  const oracle = new Oracle(scheduler, store, swarm.clocks !== 'far')
  const network = new Network(scheduler, swarm, (error, call) => oracle.noteDefect(error, call))
  const database = new Database(scheduler, oracle, guards)
  const connect = (from: Node, address: string) => {
    const to = hosts.find(({ name }) => name === address) ?? hosts[0]
    return new Line(network, HOST_CALLS, {
      from,
      to,
      unreachable: 'host-unreachable',
      handlers: () => to.handlers,
    })
  }
  const parts = { scheduler, network, database, store, oracle, guards, connect, folder: options.folder }
  const hosts = hostsOf(parts, swarm)
  const workspaces = Array.from({ length: WORKSPACES }, (_, n) => workspaceId(n + 1))
  for (const id of workspaces) await database.index.createWorkspace({ id, org: LEASE_ORG })
  const drivers = workspaces.map((id) => new Driver({ scheduler, oracle, hosts, connect }, id))
  const nemesis = new Nemesis({ scheduler, swarm, network, database, store, hosts })
  const onRejection = (error: unknown) => oracle.noteDefect(error, 'nobody took the rejection')
  process.on('unhandledRejection', onRejection)
  try {
    for (const host of hosts) void host.start()
    for (const driver of drivers) void driver.run()
    const isOver = () => oracle.violation !== undefined
    await scheduler.run(CHAOS_MS, isOver)
    nemesis.heal()
    for (const driver of drivers) driver.calm()
    const isBack = () => drivers.every(({ syncedAtMs }) => syncedAtMs > CHAOS_MS)
    for (let until = CHAOS_MS; !isOver() && !isBack() && until < CHAOS_MS + HEALED_MS_MAX; ) {
      until += LOOK_MS
      await scheduler.run(until, isOver)
    }
    if (!isOver() && !isBack()) oracle.noteStuck(`not back ${HEALED_MS_MAX} ms after the last fault`)
    const { violation, counts } = oracle
    const { nowMs: simulatedMs, events, tail } = scheduler
    const recoveredMs = simulatedMs - CHAOS_MS
    return { violation, digest: scheduler.digest(), tail, simulatedMs, events, counts, recoveredMs }
  } finally {
    process.off('unhandledRejection', onRejection)
  }
}

function hostsOf(parts: ConstructorParameters<typeof Host>[0], swarm: Swarm): [Host, ...Host[]] {
  const { scheduler } = parts
  const draws = scheduler.draws('clocks')
  const rate = () => {
    switch (swarm.clocks) {
      case 'equal':
        return 1
      case 'close':
        return draws.between(0.85, 1.2)
      case 'far':
        return draws.between(0.5, 2)
    }
  }
  const make = (n: number) => new Host(parts, new Machine(scheduler, `host-${n}`, rate()), hostId(n))
  return [make(1), ...Array.from({ length: HOSTS - 1 }, (_, n) => make(n + 2))]
}
