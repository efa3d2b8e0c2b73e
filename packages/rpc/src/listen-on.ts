import type { Server } from 'node:net'
import { errnoOf } from '@holdfast/base/errno'
import { Failure } from '@holdfast/base/failure'
import { type Address, formatAddress } from './address.ts'

/**
 * Resolves once the server listens. `setting` is what the operator calls the address. Rejects with `port-taken`, with
 * `no-permission`, and with `invalid-argument` for an address that is none of this machine's.
 */
export async function listenOn(server: Server, at: Address, setting: string): Promise<void> {
  const where = at.kind === 'unix' ? { path: at.path } : { host: at.host, port: at.port }
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(where, () => {
        server.off('error', reject)
        resolve()
      })
    })
  } catch (error) {
    throw refused(error, at, setting)
  }
}

function refused(error: unknown, at: Address, setting: string): unknown {
  const address = at.kind === 'unix' ? at.path : formatAddress(at).slice('http://'.length)
  const details = { setting, address }
  switch (errnoOf(error)) {
    case 'EADDRINUSE':
      return new Failure('port-taken', `${setting} ${address}: another process listens there`, details, error)
    case 'EACCES':
      return new Failure(
        'no-permission',
        `${setting} ${address}: this user may not listen there`,
        details,
        error,
      )
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EINVAL':
      return new Failure(
        'invalid-argument',
        `${setting} ${address}: no address of this machine`,
        details,
        error,
      )
    default:
      return error
  }
}
