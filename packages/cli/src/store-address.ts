import { resolve } from 'node:path'
import { Failure } from '@holdfast/base/failure'
import type { Config } from './config.ts'

/**
 * The address as it is kept: paths absolute, and an S3 address with the region and endpoint that the environment adds,
 * so that it means the same store whoever reads it later. Rejects with `invalid-argument` for `memory:`, whose bytes
 * end with the process.
 */
export function completeStoreAddress(
  address: string,
  settings: Pick<Config, 's3Region' | 's3Endpoint'>,
): string {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(address)?.[1]?.toLowerCase()
  if (scheme === undefined) return resolve(address)
  if (scheme === 'file') return resolve(address.slice('file:'.length).replace(/^\/\/(?=\/)/, ''))
  if (scheme === 's3') return completeS3Address(address, settings)
  if (scheme === 'memory') {
    throw new Failure(
      'invalid-argument',
      'a store in memory is gone when the command ends: name a folder or s3://…',
    )
  }
  return address
}

function completeS3Address(
  address: string,
  { s3Region, s3Endpoint }: Pick<Config, 's3Region' | 's3Endpoint'>,
): string {
  const settings = [
    ['region', s3Region.value],
    ['endpoint', s3Endpoint.value],
  ] as const
  let completed = address
  for (const [name, value] of settings) {
    if (value === null || new RegExp(`[?&]${name}=`).test(address)) continue
    completed += `${completed.includes('?') ? '&' : '?'}${name}=${value}`
  }
  return completed
}
