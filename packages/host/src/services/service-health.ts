import { request } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ServiceSpec } from '@holdfast/protocol/service'
import type { Sandbox } from '@holdfast/sandbox/runtime'

const PROBE_MS_MAX = 5000
const HEALTHY_BELOW = 500

/** Whether a service answers: accepts on its port, or serves its path below 500. One without a port answers always. */
export async function isHealthy(sandbox: Sandbox, { port, healthPath }: ServiceSpec): Promise<boolean> {
  if (port === undefined) return true
  try {
    const connection = await sandbox.connect(port)
    connection.on('error', () => {}) // told by the answer that does not come
    try {
      return healthPath === undefined || (await answers(connection, healthPath))
    } finally {
      connection.destroy()
    }
  } catch {
    return false
  }
}

function answers(connection: Duplex, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const headers = { host: 'localhost', connection: 'close' }
    const asked = request({ path, headers, createConnection: () => connection, timeout: PROBE_MS_MAX })
    asked.on('response', (response) => {
      response.resume()
      resolve((response.statusCode ?? HEALTHY_BELOW) < HEALTHY_BELOW)
    })
    asked.on('error', () => resolve(false))
    asked.on('timeout', () => resolve(false))
    connection.on('close', () => resolve(false))
    asked.end()
  })
}
