import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { cephConfiguration, KEYS } from './radosgw-configuration.ts'

const run = promisify(execFile)
const COMMAND_MS_MAX = 90_000
const READY_MS_MAX = 60_000
const PAUSE_MS = 50
const USER = { accessKeyId: 'HOLDFASTRGWKEY', secretAccessKey: 'holdfast-rgw-secret' }

/**
 * The S3 service of Ceph with one monitor and one disk in memory, on 127.0.0.1, in a folder of its own: an S3 that
 * others wrote. Ready after 7 to 12 s, with 130 MB. Its processes die with this one. Needs the Debian packages
 * radosgw, ceph-mon and ceph-osd.
 */
export class Radosgw implements AsyncDisposable {
  readonly credentials = USER
  readonly endpoint: string
  readonly #opened: AsyncDisposable

  private constructor(endpoint: string, opened: AsyncDisposable) {
    this.endpoint = endpoint
    this.#opened = opened
  }

  /** Rejects with what the services wrote when they do not come up. */
  static async start(): Promise<Radosgw> {
    await using opened = new AsyncDisposableStack()
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-rgw-'))
    opened.defer(() => rmSync(folder, { recursive: true, force: true }))
    const cluster = new Cluster(folder, opened)
    await cluster.startMonitor()
    await cluster.startDisk()
    const endpoint = await cluster.startGateway()
    return new Radosgw(endpoint, opened.move())
  }

  /** The address of keys below `prefix` in a bucket. */
  addressOf(bucket: string, prefix: string): string {
    return `s3://${bucket}/${prefix}?endpoint=${this.endpoint}&region=us-east-1&path_style=true`
  }

  async createBucket(name: string): Promise<void> {
    const client = new S3Client({
      endpoint: this.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: USER,
    })
    await client.send(new CreateBucketCommand({ Bucket: name }))
    client.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]()
  }
}

/** The processes of one Ceph in one folder. */
class Cluster {
  readonly #folder: string
  readonly #configuration: string
  readonly #opened: AsyncDisposableStack
  readonly #ended: string[] = []

  constructor(folder: string, opened: AsyncDisposableStack) {
    this.#folder = folder
    this.#configuration = join(folder, 'ceph.conf')
    this.#opened = opened
  }

  async startMonitor(): Promise<void> {
    const folder = this.#folder
    const fsid = crypto.randomUUID()
    const monitorPort = await freePort()
    writeFileSync(this.#configuration, cephConfiguration({ folder, fsid, monitorPort }))
    mkdirSync(join(folder, 'mon'))
    mkdirSync(join(folder, 'osd'))
    const keyring = join(folder, 'keyring')
    for (const [index, [name, ...capabilities]] of KEYS.entries()) {
      const create = index === 0 ? ['--create-keyring'] : []
      await run('ceph-authtool', [keyring, ...create, '--gen-key', '-n', name, ...capabilities])
    }
    const map = join(folder, 'monmap')
    const address = `[v2:127.0.0.1:${monitorPort}]`
    await run('monmaptool', ['--create', '--fsid', fsid, '--addv', 'a', address, map])
    await this.#command('ceph-mon', '-i', 'a', '--mkfs', '--monmap', map, '--keyring', keyring)
    this.#daemon('ceph-mon', '-i', 'a', '-f')
  }

  async startDisk(): Promise<void> {
    const id = crypto.randomUUID()
    await this.#command('ceph', '--connect-timeout', '30', 'osd', 'new', id)
    await this.#command('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', id)
    this.#daemon('ceph-osd', '-i', '0', '-f')
  }

  async startGateway(): Promise<string> {
    const keys = ['--access-key', USER.accessKeyId, '--secret-key', USER.secretAccessKey]
    const user = ['user', 'create', '--uid', 'tests', '--display-name', 'tests', ...keys]
    await this.#command('radosgw-admin', '-n', 'client.rgw.a', ...user)
    const address = `127.0.0.1:${await freePort()}`
    this.#daemon(
      'radosgw',
      '-n',
      'client.rgw.a',
      '-f',
      `--rgw_frontends=beast endpoint=${address} tcp_nodelay=1`,
    )
    const endpoint = `http://${address}`
    for (const deadline = performance.now() + READY_MS_MAX; ; await delay(PAUSE_MS)) {
      const answer = await fetch(endpoint).catch(() => undefined)
      await answer?.arrayBuffer()
      if (answer?.ok) return endpoint
      if (this.#ended.length > 0 || performance.now() > deadline) throw new Error(this.#complaint('radosgw'))
    }
  }

  async #command(program: string, ...words: readonly string[]): Promise<void> {
    try {
      await run(program, ['-c', this.#configuration, ...words], { timeout: COMMAND_MS_MAX })
    } catch (error) {
      throw new Error(this.#complaint(program), { cause: error })
    }
  }

  /** Starts a process that the kernel kills when this one ends, however it does. */
  #daemon(program: string, ...words: readonly string[]): void {
    const output = openSync(join(this.#folder, `${program}.out`), 'a')
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, '-c', this.#configuration, ...words], {
      stdio: ['ignore', output, output],
    })
    closeSync(output)
    child.once('error', () => this.#ended.push(program))
    child.once('exit', () => this.#ended.push(program))
    this.#opened.defer(() => killed(child))
  }

  #complaint(program: string): string {
    const written = ['ceph-mon', 'ceph-osd', 'radosgw'].map((name) => {
      try {
        return `${name}: ${readFileSync(join(this.#folder, `${name}.out`), 'utf8').slice(-1_000)}`
      } catch {
        return `${name}: not started`
      }
    })
    const ended = this.#ended.length === 0 ? '' : `; ended: ${this.#ended.join(', ')}`
    return `${program} did not come up${ended} (apt-get install radosgw ceph-mon ceph-osd)\n${written.join('\n')}`
  }
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('the server does not listen on TCP')
  return address.port
}
