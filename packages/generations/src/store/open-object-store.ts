import { Failure } from '@holdfast/base/failure'
import { type FolderStoreDeps, openFolderObjectStore } from './folder-object-store.ts'
import { MemoryObjectStore } from './memory-object-store.ts'
import type { ObjectStore } from './object-store.ts'
import { parseS3Address } from './s3-address.ts'
import { type S3RetryPolicy, s3RetryPolicy } from './s3-attempts.ts'
import type { S3CredentialSource } from './s3-client.ts'
import { openS3ObjectStore } from './s3-object-store.ts'

export interface OpenStoreDeps extends FolderStoreDeps {
  /** For `s3://`; `aws` when absent. */
  readonly s3Credentials?: S3CredentialSource
  readonly s3RetryPolicy?: S3RetryPolicy
}

const shapes = 'PATH, file:PATH, s3://BUCKET/PREFIX or memory:'

/**
 * Opens the store that `address` names: a path, `file:` and a path, `s3://…` or `memory:`. A path stands for itself,
 * without percent signs. Rejects with `invalid-argument` for anything else.
 */
export async function openObjectStore(address: string, deps: OpenStoreDeps): Promise<ObjectStore> {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(address)?.[1]?.toLowerCase()
  switch (scheme) {
    case undefined:
      return openFolderObjectStore(checkPath(address), deps)
    case 'file':
      return openFolderObjectStore(checkPath(address.slice('file:'.length).replace(/^\/\/(?=\/)/, '')), deps)
    case 'memory':
      return new MemoryObjectStore(deps.clock)
    case 's3':
      return openS3(address, deps)
    default:
      throw new Failure(
        'invalid-argument',
        `an object store is ${shapes}; write ./NAME for a path with a colon`,
        {
          scheme,
        },
      )
  }
}

async function openS3(address: string, deps: OpenStoreDeps): Promise<ObjectStore> {
  const parsed = parseS3Address(address)
  const { clock, randomness } = deps
  return openS3ObjectStore(parsed, {
    clock,
    randomness,
    credentials: deps.s3Credentials ?? 'aws',
    policy: deps.s3RetryPolicy ?? s3RetryPolicy,
  })
}

function checkPath(path: string): string {
  if (path === '' || path.includes('\0')) {
    throw new Failure('invalid-argument', `an object store is ${shapes}`)
  }
  return path
}
