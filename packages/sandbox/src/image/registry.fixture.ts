import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'

export interface ForgedEntry {
  readonly path: string
  /** `0` a file, `1` a hard link, `2` a link, `3` a device, `5` a directory. */
  readonly type?: string
  readonly content?: string | Buffer
  readonly target?: string
  readonly mode?: number
}

/** An archive as nobody's tar would write it. */
export function forgeTar(entries: readonly ForgedEntry[]): Buffer {
  const blocks = entries.flatMap(({ path, type = '0', content = '', target = '', mode = 0o644 }) => {
    const bytes = Buffer.from(content)
    const header = Buffer.alloc(512)
    header.write(path, 0, 100)
    header.write(mode.toString(8).padStart(7, '0'), 100)
    header.write(bytes.length.toString(8).padStart(11, '0'), 124)
    header.write('        ', 148)
    header.write(type, 156)
    header.write(target, 157, 100)
    header.write('ustar\0' + '00', 257)
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

export interface ForgedRegistry extends AsyncDisposable {
  /** `127.0.0.1:port/image:tag`. */
  readonly reference: string
  readonly digest: string
  readonly requests: string[]
}

export interface Forgery {
  readonly wantsToken?: boolean
  /** Changes what is sent, after its digest was computed. */
  readonly tamper?: (path: string, bytes: Buffer) => Buffer
  /** Where blobs are said to be. */
  readonly blobsAt?: string
  /** Where tokens are said to be had, if one is wanted. */
  readonly tokensAt?: string
}

/** A registry with one image of these layers. */
export async function forgeRegistry(
  layers: readonly Buffer[],
  forgery: Forgery = {},
): Promise<ForgedRegistry> {
  const blobs = new Map<string, Buffer>()
  const add = (bytes: Buffer, mediaType: string) => {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    blobs.set(digest, bytes)
    return { mediaType, digest, size: bytes.length }
  }
  const diffIds = layers.map((bytes) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`)
  const config = add(
    Buffer.from(
      JSON.stringify({ config: { Env: ['COLOUR=blue'] }, rootfs: { type: 'layers', diff_ids: diffIds } }),
    ),
    'application/vnd.oci.image.config.v1+json',
  )
  const packed = layers.map((bytes) => add(gzipSync(bytes), 'application/vnd.oci.image.layer.v1.tar+gzip'))
  const manifest = add(
    Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers: packed })),
    'application/vnd.oci.image.manifest.v1+json',
  )
  const requests: string[] = []
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? ''
    requests.push(path)
    if (path.startsWith('/token')) return void response.end(JSON.stringify({ token: 'the-token' }))
    if (forgery.wantsToken && request.headers.authorization !== 'Bearer the-token') {
      const realm = forgery.tokensAt ?? `http://${request.headers.host}/token`
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}",service="forged"` })
      return void response.end()
    }
    if (forgery.blobsAt !== undefined && path.includes('/blobs/')) {
      response.writeHead(307, { location: forgery.blobsAt })
      return void response.end()
    }
    const name = path.split('/').at(-1) ?? ''
    const bytes = blobs.get(path.includes('/manifests/') && name === 'tag' ? manifest.digest : name)
    if (bytes === undefined) return void response.writeHead(404).end()
    response.end(forgery.tamper?.(path, bytes) ?? bytes)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    reference: `127.0.0.1:${portOf(server.address())}/image:tag`,
    digest: manifest.digest,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

function portOf(address: unknown): number {
  if (typeof address === 'object' && address !== null && 'port' in address) return Number(address.port)
  throw new Error('it does not listen')
}

/** Debian's registry on a free port of this machine; it ends with the test, or after a minute. */
export async function startDockerRegistry(): Promise<
  AsyncDisposable & { readonly host: string; readonly home: string }
> {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-registry-'))
  const probe = createTcpServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const port = portOf(probe.address())
  probe.close()
  const settings = join(home, 'config.yml')
  const lines = ['version: 0.1', 'storage:', '  filesystem:', `    rootdirectory: ${home}/registry`]
  writeFileSync(settings, [...lines, 'http:', `  addr: 127.0.0.1:${port}`, ''].join('\n'))
  const child = spawn('timeout', ['60', 'docker-registry', 'serve', settings], { stdio: 'ignore' })
  for (let attempt = 0; attempt < 200 && !(await answers(port)); attempt++) await delay(25)
  return {
    host: `127.0.0.1:${port}`,
    home,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM')
      await once(child, 'exit')
      rmSync(home, { recursive: true, force: true })
    },
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => done(true)).once('error', () => done(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** Puts files into a registry under a name, by the tools of others; the name may have meant something else before. */
export function pushFiles(
  registry: { readonly host: string; readonly home: string },
  name: string,
  files: Readonly<Record<string, string>>,
): string {
  const work = mkdtempSync(join(registry.home, 'push-'))
  const tree = join(work, 'tree')
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true })
    writeFileSync(join(tree, path), content, { mode: 0o755 })
  }
  const layout = join(work, 'layout')
  const umoci = (...words: string[]) => execFileSync('umoci', words, { stdio: 'ignore' })
  umoci('init', '--layout', layout)
  umoci('new', '--image', `${layout}:made`)
  umoci('insert', '--image', `${layout}:made`, tree, '/')
  const target = `${registry.host}/${name}`
  const copy = ['copy', '--dest-tls-verify=false', `oci:${layout}:made`, `docker://${target}`]
  execFileSync('skopeo', copy, { stdio: 'ignore' })
  return target
}
