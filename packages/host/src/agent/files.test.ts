import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '@holdfast/base/failure'
import type { FailureCode } from '@holdfast/protocol/failures'
import type { FileEvent } from '@holdfast/protocol/files'
import { type AgentForTest, HostWorld } from './host-world.fixture.ts'

async function opened(): Promise<{ world: HostWorld; agent: AgentForTest }> {
  const world = await HostWorld.make()
  const agent = await world.agent()
  await agent.open()
  return { world, agent }
}

const refused = (code: FailureCode) => (error: unknown) => isFailure(error, code)

test('names are told as they are, page by page', { timeout: 60_000 }, async () => {
  const { world, agent } = await opened()
  await using _world = world
  const { workspace } = world
  await agent.shell(
    String.raw`mkdir -p d/e; printf 12345 > d/f; ln -s ../x d/l; touch 'd/e/a b'; touch -- '-n' $'new\nline'; chmod 640 d/f`,
  )
  const stat = await agent.files.call('statFile', { workspace, path: '/workspace/d/f' })
  assert.deepEqual([stat.path, stat.kind, stat.bytes, stat.mode], ['d/f', 'file', 5, 0o640])
  assert.equal((await agent.files.call('statFile', { workspace, path: '.' })).kind, 'directory')
  assert.equal((await agent.files.call('statFile', { workspace, path: '-n' })).kind, 'file')
  const list = { workspace, path: 'd', depth: 2, limit: 2 }
  const first = await agent.files.call('listFiles', list)
  assert.deepEqual(
    first.files.map(({ path, kind, target }) => [path, kind, target]),
    [
      ['d/e', 'directory', null],
      ['d/e/a b', 'file', null],
    ],
  )
  const second = await agent.files.call('listFiles', { ...list, after: first.next ?? '' })
  assert.deepEqual(
    second.files.map(({ path, target }) => [path, target]),
    [
      ['d/f', null],
      ['d/l', '../x'],
    ],
  )
  assert.equal(second.next, null)
  const found = await agent.files.call('findFiles', { workspace, path: '.', pattern: '* *', limit: 10 })
  assert.deepEqual(found, { paths: ['d/e/a b'], isWhole: true })
})

test('lines are found by text and by expression', { timeout: 60_000 }, async () => {
  const { world, agent } = await opened()
  await using _world = world
  const { workspace } = world
  await agent.shell(`mkdir d; printf 'one\\na.c\\nabc\\n' > d/f; for i in 1 2 3; do echo many >> g; done`)
  const grep = { workspace, path: '.', pattern: 'a.c', isRegex: false, limit: 10 }
  const fixed = await agent.files.call('grepFiles', grep)
  assert.deepEqual(fixed, { matches: [{ path: 'd/f', line: 2, text: 'a.c' }], isWhole: true })
  assert.equal((await agent.files.call('grepFiles', { ...grep, isRegex: true })).matches.length, 2)
  const cut = await agent.files.call('grepFiles', { ...grep, pattern: 'many', limit: 2 })
  assert.deepEqual([cut.matches.length, cut.isWhole], [2, false])
  assert.deepEqual((await agent.files.call('grepFiles', { ...grep, pattern: '--none' })).matches, [])
})

test('files are made, moved and removed as the guest could', { timeout: 60_000 }, async () => {
  const { world, agent } = await opened()
  await using _world = world
  const { workspace } = world
  const made = await agent.files.call('makeDirectory', { workspace, path: 'd', mode: 0o750 })
  assert.deepEqual([made.kind, made.mode], ['directory', 0o750])
  const deep = await agent.files.call('makeDirectory', { workspace, path: 'x/y/z', mode: 0o700 })
  assert.deepEqual([deep.path, deep.mode], ['x/y/z', 0o700])
  await assert.rejects(
    agent.files.call('makeDirectory', { workspace, path: 'd', mode: 0o750 }),
    refused('already-exists'),
  )
  await agent.shell('touch d/f; mkdir e; ln -s / root; ln -s /etc/passwd link')
  const moved = await agent.files.call('moveFile', { workspace, from: 'd/f', to: 'e/g' })
  assert.equal(moved.path, 'e/g')
  await assert.rejects(
    agent.files.call('moveFile', { workspace, from: 'd/f', to: 'h' }),
    refused('not-found'),
  )
  await assert.rejects(
    agent.files.call('removeFile', { workspace, path: 'e', recursive: false }),
    refused('not-empty'),
  )
  await agent.files.call('removeFile', { workspace, path: 'e', recursive: true })
  await assert.rejects(
    agent.files.call('removeFile', { workspace, path: 'e', recursive: true }),
    refused('not-found'),
  )
  const elsewhere = ['/etc/passwd', '../x', '/workspace/../etc', 'a\0b', '/workspacex']
  for (const path of elsewhere)
    await assert.rejects(agent.files.call('statFile', { workspace, path }), refused('invalid-argument'), path)
  await assert.rejects(
    agent.files.call('removeFile', { workspace, path: '/workspace', recursive: true }),
    refused('invalid-argument'),
  )
  await assert.rejects(
    agent.files.call('makeDirectory', { workspace, path: 'root/usr/x', mode: 0o755 }),
    refused('no-permission'),
  )
})

test('bytes go in and out whole, and a path is the guest’s alone', { timeout: 60_000 }, async () => {
  const { world, agent } = await opened()
  await using _world = world
  const { workspace } = world
  const bytes = Buffer.alloc(5_000_000, 'abcdefghij')
  await put(agent, '/streams/file', { workspace, path: 'deep/down/file', mode: '600' }, bytes)
  const stat = await agent.files.call('statFile', { workspace, path: 'deep/down/file' })
  assert.deepEqual([stat.bytes, stat.mode], [bytes.length, 0o600])
  const whole = await get(agent, '/streams/file', { workspace, path: 'deep/down/file' })
  assert.ok(bytes.equals(whole.body))
  const part = await get(
    agent,
    '/streams/file',
    { workspace, path: 'deep/down/file' },
    { range: 'bytes=10-14' },
  )
  assert.equal(part.status, 206)
  assert.equal(part.headers['content-range'], 'bytes 10-14/5000000')
  assert.equal(part.body.toString(), 'abcde')
  await put(agent, '/streams/file', { workspace, path: 'empty' }, Buffer.alloc(0))
  assert.equal((await get(agent, '/streams/file', { workspace, path: 'empty' })).body.length, 0)
  await assert.rejects(get(agent, '/streams/file', { workspace, path: 'none' }), refused('not-found'))
  await assert.rejects(get(agent, '/streams/file', { workspace, path: 'deep' }), refused('invalid-argument'))
  await assert.rejects(
    put(agent, '/streams/file', { workspace, path: 'deep' }, bytes),
    refused('invalid-argument'),
  )
  await agent.shell('mkdir locked; chmod 500 locked; mkfifo locked/p || true; ln -s /etc/shadow shadow')
  await assert.rejects(
    put(agent, '/streams/file', { workspace, path: 'locked/f' }, bytes.subarray(0, 10)),
    refused('no-permission'),
  )
  await assert.rejects(get(agent, '/streams/file', { workspace, path: 'shadow' }), isFailure)
  assert.equal((await agent.shell('ls -A deep locked')).text.includes('.upload'), false)
})

test('an archive comes out as it went in', { timeout: 60_000 }, async () => {
  const { world, agent } = await opened()
  await using _world = world
  const { workspace } = world
  await agent.shell('mkdir -p from/d; echo 1 > from/d/a; ln -s a from/d/l; chmod 600 from/d/a')
  const { body } = await get(agent, '/streams/archive', { workspace, path: 'from' })
  await put(agent, '/streams/archive', { workspace, path: 'to/there' }, body)
  const { text } = await agent.shell('cat to/there/d/l; stat -c %a to/there/d/a')
  assert.equal(text, '1\n600\n')
  await assert.rejects(get(agent, '/streams/archive', { workspace, path: 'none' }), refused('not-found'))
  await assert.rejects(
    put(agent, '/streams/archive', { workspace, path: 'bad' }, Buffer.alloc(4096, 'x')),
    refused('invalid-argument'),
  )
})

test('changes are told while somebody listens', { timeout: 60_000 }, async () => {
  const { world, agent } = await opened()
  await using _world = world
  const { workspace } = world
  await agent.shell('mkdir d; echo 1 > d/a; echo 1 > d/b')
  const over = new AbortController()
  const query = { workspace, path: 'd' }
  const response = await agent.host.stream({
    method: 'GET',
    path: '/streams/watch',
    query,
    signal: over.signal,
  })
  await agent.shell('echo 2 >> d/a; rm d/b; echo 3 > d/c; echo 4 > other')
  const events: FileEvent[] = []
  for await (const lines of response.body) {
    for (const line of String(lines).split('\n').slice(0, -1)) events.push(JSON.parse(line))
    if (events.length >= 3) break
  }
  over.abort()
  assert.deepEqual(events.map(({ kind, path }) => `${kind} ${path}`).sort(), [
    'changed d/a',
    'created d/c',
    'removed d/b',
  ])
})

async function put(
  agent: AgentForTest,
  path: string,
  query: Record<string, string>,
  bytes: Buffer,
): Promise<void> {
  const response = await agent.host.stream({ method: 'PUT', path, query, body: bytes })
  await response.body.dump()
}

async function get(
  agent: AgentForTest,
  path: string,
  query: Record<string, string>,
  headers: Record<string, string> = {},
) {
  const response = await agent.host.stream({ method: 'GET', path, query, headers })
  const body = Buffer.from(await response.body.arrayBuffer())
  return { status: response.statusCode, headers: response.headers, body }
}
