import { type ClientRequest, get, type IncomingMessage } from 'node:http'
import { systemClock } from '@holdfast/base/clock'
import { BenchInstallation } from '../bench-installation.ts'
import type { BenchRun, Suite } from '../bench-run.ts'
import { cpuSecondsOf, quantile } from '../measure.ts'
import { spread } from '../timing.ts'

const CLIENTS = 1000
const EVENTS_PER_SECOND = 10
const SECONDS = 10
/** After the last event, for what is still under way. */
const LATE_MS = 2000

export const sse: Suite = { name: 'sse', cases: ['sse'], peers: [], run: runSse }

/** Many who follow the events of one installation: from the instant in the event to its arrival at each of them. */
async function runSse(bench: BenchRun): Promise<void> {
  await using installation = await BenchInstallation.start({ folder: bench.disk.folder('sse') })
  const workspace = await installation.holdfast.create({})
  const clients = bench.quick ? CLIENTS / 10 : CLIENTS
  const seconds = bench.quick ? SECONDS / 5 : SECONDS
  const lateMs: number[] = []
  await using followers = await Followers.connect(installation, clients, (ms) => lateMs.push(ms))
  bench.say(`${followers.count} clients`)
  const control = installation.pidOf('control')
  const cpuBefore = cpuSecondsOf(control)
  for (let sent = 0; sent < seconds * EVENTS_PER_SECOND; sent++) {
    const pause = systemClock.sleep(1000 / EVENTS_PER_SECOND)
    await workspace.update({ labels: { turn: String(sent) } })
    await pause
  }
  await systemClock.sleep(LATE_MS)
  const expected = clients * seconds * EVENTS_PER_SECOND
  for (const [metric, share] of spread) bench.report({ case: 'sse', metric, value: quantile(lateMs, share) })
  bench.report({ case: 'sse', metric: 'success_pct', value: (100 * lateMs.length) / expected })
  const cpuPercent = (100 * (cpuSecondsOf(control) - cpuBefore)) / (seconds + LATE_MS / 1000)
  bench.report({ case: 'sse', metric: 'cpu_percent', value: cpuPercent })
}

/** Clients that read no more of an event than when it happened: there are a thousand of them in this process. */
class Followers implements AsyncDisposable {
  readonly #requests: ClientRequest[] = []

  static async connect(
    { url, apiKey }: BenchInstallation,
    count: number,
    onEvent: (lateMs: number) => void,
  ): Promise<Followers> {
    const followers = new Followers()
    for (let made = 0; made < count; made++) {
      const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
      const headers = { authorization: `Bearer ${apiKey}`, accept: 'text/event-stream' }
      const request = get(`${url}/v1/events?topic=type:workspace_update`, { headers, agent: false }, resolve)
      followers.#requests.push(request.on('error', reject))
      const response = await promise
      if (response.statusCode !== 200) throw new Error(`the API answered ${response.statusCode}`)
      readLines(response, (line) => {
        const at = /^data:.*?"at":(\d+)/.exec(line)?.[1]
        if (at !== undefined) onEvent(systemClock.wallMs() - Number(at))
      })
    }
    return followers
  }

  get count(): number {
    return this.#requests.length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const request of this.#requests) request.destroy()
  }
}

function readLines(response: IncomingMessage, onLine: (line: string) => void): void {
  let begun = ''
  response.on('error', () => {})
  response.setEncoding('utf8').on('data', (text: string) => {
    const lines = (begun + text).split('\n')
    begun = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  })
}
