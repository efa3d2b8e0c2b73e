import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newIdentifier } from '@holdfast/base/identifier'
import { systemRandomness } from '@holdfast/base/randomness'
import { type AgentForTest, type AgentWish, HostWorld } from '@holdfast/host/agent/host-world.fixture'
import { ExecRequest } from '@holdfast/protocol/exec'
import { WorkspaceId } from '@holdfast/protocol/identifiers'

/** What no guest may learn. */
export const SECRET = 'only-the-host-knows-this'

/** A host with a workspace that a hostile guest runs in, and a folder of the host that is none of its affair. */
export class HostileGround implements AsyncDisposable {
  readonly world: HostWorld
  readonly agent: AgentForTest
  readonly outside: string

  private constructor(world: HostWorld, agent: AgentForTest) {
    this.world = world
    this.agent = agent
    this.outside = join(world.base, 'outside')
    mkdirSync(this.outside, { mode: 0o777 })
    writeFileSync(join(this.outside, 'secret'), SECRET, { mode: 0o666 })
  }

  static async open(wish: AgentWish = {}): Promise<HostileGround> {
    const world = await HostWorld.make()
    const ground = new HostileGround(world, await world.agent(wish))
    await ground.agent.open()
    return ground
  }

  /** The agent is a process of its own, whose memory can be told from that of the test. */
  static async openApart(): Promise<HostileGround & { readonly agentPid: number }> {
    const world = await HostWorld.make()
    const agent = await world.agentProcess('host-a')
    const ground = new HostileGround(world, agent)
    await agent.open()
    return Object.assign(ground, { agentPid: agent.child.pid ?? 0 })
  }

  /** Another workspace on the same host, of somebody who does no harm. */
  async bystander(): Promise<Bystander> {
    const workspace = WorkspaceId.parse(newIdentifier('ws', systemRandomness))
    await this.world.leases.index.createWorkspace({ id: workspace, org: this.world.org })
    await this.agent.open({ workspace })
    return new Bystander(this, workspace)
  }

  assertOutsideIsUntouched(): void {
    assert.deepEqual(readdirSync(this.outside), ['secret'])
    assert.equal(readFileSync(join(this.outside, 'secret'), 'utf8'), SECRET)
  }

  async put(stream: 'file' | 'archive', path: string, body: Uint8Array): Promise<void> {
    const query = { workspace: this.world.workspace, path }
    const options = { method: 'PUT', path: `/streams/${stream}`, query, body } as const
    const response = await this.agent.host.stream(options)
    await response.body.dump()
  }

  async get(stream: 'file' | 'archive', path: string, signal?: AbortSignal): Promise<Buffer> {
    const query = { workspace: this.world.workspace, path }
    const options = { method: 'GET', path: `/streams/${stream}`, query } as const
    const response = await this.agent.host.stream(signal ? { ...options, signal } : options)
    return Buffer.from(await response.body.arrayBuffer())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]()
  }
}

export class Bystander {
  readonly #ground: HostileGround
  readonly workspace: WorkspaceId

  constructor(ground: HostileGround, workspace: WorkspaceId) {
    this.#ground = ground
    this.workspace = workspace
  }

  /** How long an answer to a command takes, in milliseconds. */
  async answerMs(): Promise<number> {
    const begunMs = performance.now()
    const order = {
      ...(await this.#ground.agent.run(this.workspace)),
      exec: this.#ground.world.nextExec(),
      request: ExecRequest.parse({ argv: ['echo', 'here'] }),
      waitMs: 15_000,
      outputBytesMax: 1000,
    }
    const { exec } = await this.#ground.agent.host.call('startExec', order)
    assert.equal(exec.exitCode, 0)
    return performance.now() - begunMs
  }
}

/** Resident memory of a process. */
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}

/** What a call comes to: its answer or its failure, as text. */
export async function told(answer: Promise<unknown>): Promise<string> {
  try {
    const found = await answer
    return Buffer.isBuffer(found) ? found.toString('latin1') : JSON.stringify(found ?? null)
  } catch (error) {
    return `${error}`
  }
}
