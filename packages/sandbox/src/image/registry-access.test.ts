import assert from 'node:assert/strict'
import { lookup } from 'node:dns'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import { parseImageReference } from './image-reference.ts'
import { isPublicAddress } from './public-address.ts'
import { forgeRegistry, forgeTar } from './registry.fixture.ts'
import { RegistryAccess, type Resolve } from './registry-access.ts'
import { RegistryClient } from './registry-client.ts'

const LAYER = forgeTar([{ path: 'f', content: 'x' }])
const refused = (error: unknown) => isFailure(error, 'image-refused')

/** Something of this machine that nobody outside is to reach. */
async function internal() {
  let asked = 0
  const server = createServer((_request, response) => response.end('secret'))
  server.on('connection', () => asked++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  return {
    port: typeof bound === 'object' ? (bound?.port ?? 0) : 0,
    asked: () => asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

async function manifestOf(reference: string, registries: readonly string[], resolve: Resolve = lookup) {
  await using access = new RegistryAccess({ registries, resolve })
  const parsed = parseImageReference(reference)
  const client = new RegistryClient(parsed, access)
  const manifest = await client.manifest(parsed.version)
  const [, digest = ''] =
    /"config":\{[^}]*"digest":"([^"]*)"/.exec(Buffer.from(manifest.bytes).toString()) ?? []
  return await client.document({ digest, size: 1, mediaType: '' })
}

test('only addresses that anybody may reach are public', () => {
  for (const address of ['1.1.1.1', '172.15.0.1', '172.32.0.1', '100.63.0.1', '2606:4700::1111', '2a00::1'])
    assert.equal(isPublicAddress(address), true, address)
  for (const address of [
    ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '100.127.255.255', '127.0.0.1', '127.9.9.9', '169.254.169.254'],
    ...[
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '198.18.0.1',
      '224.0.0.1',
      '240.0.0.1',
      '255.255.255.255',
    ],
    ...['::', '::1', 'fe80::1', 'fc00::1', 'fd00:ec2::254', 'ff02::1', '::ffff:127.0.0.1', '::ffff:1.1.1.1'],
    ...['64:ff9b::7f00:1', '2002:7f00:1::', '2001:db8::1', '2001::1', 'localhost', ''],
  ])
    assert.equal(isPublicAddress(address), false, address)
})

test('an address of this machine or its network is not asked, however it is named', async () => {
  await using secret = await internal()
  for (const host of [`127.0.0.1:${secret.port}`, `localhost:${secret.port}`, `[::1]:${secret.port}`])
    await assert.rejects(manifestOf(`${host}/any/image`, []), refused, host)
  for (const host of ['169.254.169.254', '10.0.0.1:5000', '[fd00:ec2::254]'])
    await assert.rejects(manifestOf(`${host}/any/image`, []), refused, host)
  assert.equal(secret.asked(), 0)
})

test('a name is judged by the addresses that are dialled, and one that is not public is too many', async () => {
  await using secret = await internal()
  for (const addresses of [['127.0.0.1'], ['10.0.0.1'], ['1.1.1.1', '169.254.169.254'], ['::1'], []]) {
    const resolve: Resolve = (_name, _options, resolved) =>
      resolved(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      )
    await assert.rejects(manifestOf(`registry.example:${secret.port}/any/image`, [], resolve), refused)
  }
  assert.equal(secret.asked(), 0)
})

test('a registry that is listed leads to no other that is not', async () => {
  await using secret = await internal()
  const elsewhere = [
    `http://127.0.0.1:${secret.port}/blob`,
    `http://localhost:${secret.port}/blob`,
    `https://127.0.0.1:${secret.port}/blob`,
    'https://169.254.169.254/latest/meta-data',
    'https://[::ffff:10.0.0.1]/blob',
    'https://0x7f000001/blob',
  ]
  for (const place of elsewhere)
    for (const forgery of [{ blobsAt: place }, { wantsToken: true, tokensAt: place }]) {
      await using registry = await forgeRegistry([LAYER], forgery)
      const [host = ''] = registry.reference.split('/')
      await assert.rejects(manifestOf(registry.reference, [host]), refused, place)
    }
  assert.equal(secret.asked(), 0)
})

test('a registry that is listed is asked, by host and port or by host alone', async () => {
  await using registry = await forgeRegistry([LAYER], { wantsToken: true })
  const [host = ''] = registry.reference.split('/')
  for (const listed of [host, '127.0.0.1']) assert.ok(await manifestOf(registry.reference, [listed]))
  await assert.rejects(manifestOf(registry.reference, ['127.0.0.1:1']), refused)
})
