import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Holdfast } from '@holdfast/client/holdfast'
import { PostgresServer } from '@holdfast/testkit/postgres-server'
import { Radosgw } from '@holdfast/testkit/radosgw'
import { unmountBelow } from '@holdfast/testkit/remove-tree'
import { freePorts, ServiceProcess } from './service-process.ts'

const DOCUMENT = new URL('../../docs/cluster.md', import.meta.url)
const BUCKET = 'bucket'
/** Shorter than in the document, so that a lost host is missed sooner. */
const LEASE_TTL_MS = 6_000

type Settings = Readonly<Record<string, unknown>>

/** The settings that docs/cluster.md shows for a role, with what is different here. Nothing is added to them. */
function documentedSettings(role: string, different: Settings): Settings {
  const blocks = readFileSync(DOCUMENT, 'utf8').matchAll(/```json\n(.*?)```/gs)
  const shown = Array.from(blocks, ([, text = '']): Settings => JSON.parse(text)).find(
    (settings) => settings.role === role,
  )
  const unknown = Object.keys(different).filter((name) => shown === undefined || !(name in shown))
  if (unknown.length > 0) throw new Error(`docs/cluster.md shows ${role} without ${unknown.join(', ')}`)
  return { ...shown, ...different }
}

export type ReplicaName = 'lease-a' | 'lease-b' | 'control-a' | 'control-b' | 'host-a' | 'host-b' | 'gateway'

/** The installation of docs/cluster.md on one machine: each role a process, on Postgres and on the S3 of Ceph. */
export class Cluster implements AsyncDisposable {
  readonly folder: string
  /** By the two addresses of control. */
  readonly clients: { readonly a: Holdfast; readonly b: Holdfast }
  readonly urls: { readonly a: string; readonly b: string; readonly apps: string }
  readonly apiKey: string
  readonly #roles: ReadonlyMap<ReplicaName, ServiceProcess>
  readonly #opened: AsyncDisposable

  private constructor(parts: Pick<Cluster, 'folder' | 'urls'> & ClusterParts) {
    const { folder, urls, roles, opened } = parts
    this.folder = folder
    this.urls = urls
    this.apiKey = readFileSync(join(folder, 'admin.key'), 'utf8').trim()
    const { apiKey } = this
    this.clients = { a: new Holdfast({ url: urls.a, apiKey }), b: new Holdfast({ url: urls.b, apiKey }) }
    this.#roles = roles
    this.#opened = opened
  }

  static async start(): Promise<Cluster> {
    await using opened = new AsyncDisposableStack()
    const folder = mkdtempSync(join(tmpdir(), 'hold-cluster-'))
    opened.defer(() => rmSync(folder, { recursive: true, force: true }))
    // Volumes stay mounted for the next start; here there is none.
    opened.defer(() => unmountBelow(folder))
    const [postgres, radosgw] = await Promise.all([PostgresServer.start(), Radosgw.start()])
    opened.use(postgres)
    opened.use(radosgw)
    await radosgw.createBucket(BUCKET)
    for (const name of ['cluster', 'link'])
      writeFileSync(join(folder, `${name}.key`), `${crypto.randomUUID()}${crypto.randomUUID()}\n`, {
        mode: 0o600,
      })
    const ports = await freePorts(10)
    const at = (index: number) => `127.0.0.1:${ports[index]}`
    const { accessKeyId, secretAccessKey } = radosgw.credentials
    const environment = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
    const roles = new Map<ReplicaName, ServiceProcess>()
    // What needs nothing of one another starts at once, as after a power cut.
    for (const group of settingsOfAll({
      folder,
      at,
      database: postgres.url,
      store: radosgw.addressOf(BUCKET, 'holdfast'),
    }))
      await Promise.all(
        Object.entries(group).map(async ([name, settings]) => {
          const path = join(folder, `${name}.json`)
          writeFileSync(path, JSON.stringify(settings))
          const options = { words: ['server', path], logPath: join(folder, `${name}.log`), environment }
          const role = await ServiceProcess.start({ ...options, ready: /"msg":"ready"/ })
          roles.set(name as ReplicaName, opened.use(role))
        }),
      )
    const urls = { a: `http://${at(4)}`, b: `http://${at(5)}`, apps: `http://${at(6)}` }
    return new Cluster({ folder, urls, roles, opened: opened.move() })
  }

  role(name: ReplicaName): ServiceProcess {
    const role = this.#roles.get(name)
    if (role === undefined) throw new Error(`no ${name} was started`)
    return role
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]()
  }
}

interface ClusterParts {
  readonly roles: ReadonlyMap<ReplicaName, ServiceProcess>
  readonly opened: AsyncDisposable
}

interface Ground {
  readonly folder: string
  readonly at: (index: number) => string
  readonly database: string
  readonly store: string
}

type Group = Partial<Record<ReplicaName, Settings>>

function settingsOfAll({ folder, at, database, store }: Ground): readonly Group[] {
  const clusterKeyFile = join(folder, 'cluster.key')
  const linkKeyFile = join(folder, 'link.key')
  const url = (index: number) => `http://${at(index)}`
  const lease = [url(0), url(1)]
  const control = [url(2), url(3)]
  const appsUrl = `http://localhost:${at(6).split(':')[1]}`
  const leaseAt = (index: number) =>
    documentedSettings('lease', { listen: url(index), clusterKeyFile, database })
  const controlAt = (index: number) =>
    documentedSettings('control', {
      ...{
        listen: url(2 + index),
        clusterKeyFile,
        database,
        lease,
        api: at(4 + index),
        appsUrl,
        linkKeyFile,
      },
      adminKeyFile: join(folder, 'admin.key'),
    })
  const hostAt = (name: string, index: number) => {
    const state = join(folder, `host-${name}`)
    mkdirSync(state)
    const own = { listen: url(7 + index), clusterKeyFile, state, name, control, lease, store }
    return documentedSettings('host', { ...own, leaseTtlMs: LEASE_TTL_MS })
  }
  const gateway = documentedSettings('gateway', {
    ...{ listen: url(9), clusterKeyFile, control, apps: at(6), appsUrl, linkKeyFile },
  })
  return [
    { 'lease-a': leaseAt(0), 'lease-b': leaseAt(1) },
    { 'control-a': controlAt(0), 'control-b': controlAt(1) },
    { 'host-a': hostAt('a', 0), 'host-b': hostAt('b', 1), gateway },
  ]
}
