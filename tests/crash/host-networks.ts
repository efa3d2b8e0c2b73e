import { execFileSync } from 'node:child_process'
import type { RoleGround } from './role-process.ts'

/** Of networks that a machine is most likely not to have: those for benchmarks of network devices. */
const NETWORK = '198.18'

/** A network for each host, with this machine in the middle, where control and leases are; any of them can be cut off. */
export class HostNetworks implements Disposable {
  readonly #names: ReadonlyMap<string, number>
  readonly #made: string[] = []
  readonly #links: number[] = []

  constructor(hosts: readonly string[]) {
    this.#names = new Map(hosts.map((host, index) => [host, 1 + index + 4 * (process.pid % 60)]))
    try {
      for (const host of hosts) this.#make(host)
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  /** Where roles outside of the networks listen: every host reaches it. */
  get centre(): string {
    const [first = 0] = this.#names.values()
    return `${NETWORK}.${first}.1`
  }

  addressOf(host: string): string {
    return `${NETWORK}.${this.#number(host)}.2`
  }

  groundOf(host: string): RoleGround {
    return { wrapper: this.#within(host), environment: {} }
  }

  /** Drops every packet of a host, without a word, in both directions. */
  cut(host: string): void {
    const rules = `table inet cut {
      chain in { type filter hook input priority 0; iifname != "lo" drop; }
      chain out { type filter hook output priority 0; oifname != "lo" drop; }
    }`
    const [program = '', ...words] = [...this.#within(host), 'nft', '-f', '-']
    execFileSync(program, words, { input: rules })
  }

  heal(host: string): void {
    const [program = '', ...words] = [...this.#within(host), 'nft', 'delete', 'table', 'inet', 'cut']
    execFileSync(program, words)
  }

  [Symbol.dispose](): void {
    // A network lives on with whoever is still in it, and its link with it.
    for (const number of this.#links.splice(0)) ip('link', 'delete', `hf${number}o`)
    for (const name of this.#made.splice(0)) ip('netns', 'delete', name)
  }

  #make(host: string): void {
    const [name, number] = [this.#name(host), this.#number(host)]
    ip('netns', 'add', name)
    this.#made.push(name)
    const [outside, inside] = [`hf${number}o`, `hf${number}i`]
    ip('link', 'add', outside, 'type', 'veth', 'peer', 'name', inside, 'netns', name)
    this.#links.push(number)
    ip('address', 'add', `${NETWORK}.${number}.1/24`, 'dev', outside)
    ip('link', 'set', outside, 'up')
    for (const [device, address] of [
      ['lo', null],
      [inside, `${this.addressOf(host)}/24`],
    ] as const) {
      if (address !== null) ip('-n', name, 'address', 'add', address, 'dev', device)
      ip('-n', name, 'link', 'set', device, 'up')
    }
    ip('-n', name, 'route', 'add', 'default', 'via', `${NETWORK}.${number}.1`)
  }

  /** Only the network: mounts of the role must be seen outside. */
  #within(host: string): string[] {
    return ['nsenter', `--net=/run/netns/${this.#name(host)}`]
  }

  #name(host: string): string {
    return `holdfast-crash-${process.pid}-${host}`
  }

  #number(host: string): number {
    const number = this.#names.get(host)
    if (number === undefined) throw new Error(`there is no network of ${host}`)
    return number
  }
}

function ip(...words: readonly string[]): void {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] })
}
