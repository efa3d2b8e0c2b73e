import { cpus, homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { Failure } from '@holdfast/base/failure'
import type { S3Credentials } from '@holdfast/generations/store/s3-client'

/** Where a setting came from: the name of the environment variable, or `default`. */
export interface Setting<T> {
  readonly value: T
  readonly from: string
}

export interface Config {
  /** The folder with histories, caches and, unless another is named, the store. */
  readonly home: Setting<string>
  /** The store of a new history. */
  readonly store: Setting<string>
  /** Completes an S3 address that names no region. */
  readonly s3Region: Setting<string | null>
  /** Completes an S3 address that names no endpoint. */
  readonly s3Endpoint: Setting<string | null>
  /** Worker threads of a commit or a restore. */
  readonly threads: Setting<number>
  readonly colours: Setting<boolean>
  /** True: stacks of unexpected failures are printed. */
  readonly debug: Setting<boolean>
  readonly s3Credentials: S3CredentialsSetting
  /** The server that workspaces live on; null: the one of this home, if it runs. */
  readonly url: Setting<string | null>
  readonly apiKey: ApiKeySetting
}

/** The key for the server. Prints and serialises without it. */
export class ApiKeySetting {
  readonly from: string
  readonly #key: string | undefined

  constructor(key: string | undefined, from: string) {
    this.#key = key
    this.from = from
  }

  reveal(): string | undefined {
    return this.#key
  }

  get value(): string | null {
    return this.#key === undefined ? null : 'set'
  }
}

/** Credentials in the environment, if both are. Prints and serialises without its secrets. */
export class S3CredentialsSetting {
  readonly from: string
  readonly #credentials: S3Credentials | undefined

  constructor(credentials: S3Credentials | undefined) {
    this.#credentials = credentials
    this.from = credentials ? 'AWS_ACCESS_KEY_ID' : 'default'
  }

  reveal(): S3Credentials | undefined {
    return this.#credentials
  }

  get value(): string | null {
    return this.#credentials?.accessKeyId ?? null
  }
}

export type Environment = Readonly<Record<string, string | undefined>>

const HOME_OF_ROOT = '/var/lib/holdfast'
const THREADS_DEFAULT_MAX = 4
const THREADS_MAX = 64

/** Reads the settings from the environment. Rejects with `invalid-argument` for values that make no sense. */
export function parseConfig(environment: Environment, ground: { readonly isRoot: boolean }): Config {
  const home = readHome(environment, ground.isRoot)
  return Object.freeze({
    home,
    store: first(environment, ['HOLDFAST_STORE'], join(home.value, 'store')),
    s3Region: first(environment, ['AWS_REGION', 'AWS_DEFAULT_REGION'], null),
    s3Endpoint: first(environment, ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'], null),
    threads: readThreads(environment),
    colours: environment.NO_COLOR ? { value: false, from: 'NO_COLOR' } : { value: true, from: 'default' },
    debug: environment.HOLDFAST_DEBUG
      ? { value: true, from: 'HOLDFAST_DEBUG' }
      : { value: false, from: 'default' },
    s3Credentials: readCredentials(environment),
    url: first(environment, ['HOLDFAST_URL'], null),
    apiKey: environment.HOLDFAST_API_KEY
      ? new ApiKeySetting(environment.HOLDFAST_API_KEY, 'HOLDFAST_API_KEY')
      : new ApiKeySetting(undefined, 'default'),
  })
}

/** The environment of this process. */
export function environmentOfProcess(): Environment {
  return process.env
}

/** The folder of the file system that programs are looked for in, beside those that are always there. */
export function searchPath(environment: Environment): string {
  return `${environment.PATH ?? ''}:/usr/sbin:/sbin`
}

function first<T>(environment: Environment, names: readonly string[], otherwise: T): Setting<string | T> {
  for (const name of names) {
    const value = environment[name]
    if (value) return { value, from: name }
  }
  return { value: otherwise, from: 'default' }
}

function readHome(environment: Environment, isRoot: boolean): Setting<string> {
  if (environment.HOLDFAST_HOME) return { value: resolve(environment.HOLDFAST_HOME), from: 'HOLDFAST_HOME' }
  if (isRoot) return { value: HOME_OF_ROOT, from: 'default' }
  if (environment.XDG_DATA_HOME)
    return { value: resolve(environment.XDG_DATA_HOME, 'holdfast'), from: 'XDG_DATA_HOME' }
  return { value: join(environment.HOME ?? homedir(), '.local/share/holdfast'), from: 'default' }
}

function readThreads(environment: Environment): Setting<number> {
  const text = environment.HOLDFAST_THREADS
  if (!text) return { value: Math.max(1, Math.min(THREADS_DEFAULT_MAX, cpus().length)), from: 'default' }
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= THREADS_MAX)
    return { value, from: 'HOLDFAST_THREADS' }
  throw new Failure('invalid-argument', `HOLDFAST_THREADS is a number from 1 to ${THREADS_MAX}, not ${text}`)
}

function readCredentials(environment: Environment): S3CredentialsSetting {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = environment
  if (!accessKeyId || !secretAccessKey) return new S3CredentialsSetting(undefined)
  const sessionToken = environment.AWS_SESSION_TOKEN
  return new S3CredentialsSetting({
    accessKeyId,
    secretAccessKey,
    ...(sessionToken ? { sessionToken } : {}),
  })
}
