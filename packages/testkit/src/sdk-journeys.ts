import assert from 'node:assert/strict'
import type { FollowedEvent } from '@holdfast/client/events'
import { ExecError, type OutputPiece } from '@holdfast/client/exec-result'
import { Holdfast } from '@holdfast/client/holdfast'
import { HoldfastError } from '@holdfast/client/holdfast-error'
import type { Workspace } from '@holdfast/client/workspace'

/** What a program does with a server that has nothing else to do. Rejects where something is not as promised. */
export type SdkJourney = (server: { readonly url: string; readonly apiKey: string }) => Promise<void>

async function itemsOf<Item>(listed: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = []
  for await (const item of listed) items.push(item)
  return items
}

async function inWorkspace(
  server: { readonly url: string; readonly apiKey: string },
  name: string,
  use: (workspace: Workspace, holdfast: Holdfast) => Promise<void>,
): Promise<void> {
  const holdfast = new Holdfast(server)
  const workspace = await holdfast.create({ name, ifExists: 'connect' })
  try {
    await use(workspace, holdfast)
  } finally {
    await workspace.remove({ force: true })
  }
}

const commands: SdkJourney = (server) =>
  inWorkspace(server, 'sdk-commands', async (workspace) => {
    const hello = await workspace.exec(['sh', '-c', 'echo out; echo err >&2; exit 3'])
    assert.deepEqual(
      [hello.status, hello.exitCode, hello.stdout, hello.stderr, hello.isOutputWhole],
      ['exited', 3, 'out\n', 'err\n', true],
    )
    assert.equal((await workspace.exec('echo $A-$((1+1))', { env: { A: 'b' } })).stdout, 'b-2\n')
    assert.equal((await workspace.exec(['cat'], { stdin: 'é'.repeat(70_000) })).stdout.length, 70_000)
    await assert.rejects(
      workspace.exec('echo why >&2; exit 4', { throwOnError: true }),
      (error) => error instanceof ExecError && error.result.exitCode === 4 && /why/.test(error.message),
    )
    const late = await workspace.exec('sleep 20', { timeoutMs: 200 })
    assert.deepEqual([late.status, late.exitCode], ['timed_out', null])
    const seen: string[] = []
    await workspace.exec('echo a; sleep 0.1; echo b', { onStdout: (text) => seen.push(text) })
    assert.equal(seen.join(''), 'a\nb\n')
    await assert.rejects(workspace.exec(['no-such-program']), { code: 'exec-failed' })
  })

const running: SdkJourney = (server) =>
  inWorkspace(server, 'sdk-running', async (workspace) => {
    const exec = await workspace.exec('while read line; do echo "<$line>"; done', {
      detached: true,
      stdin: true,
    })
    await exec.write('one\n')
    const pieces: OutputPiece[] = []
    for await (const piece of exec) {
      pieces.push(piece)
      if (pieces.length === 1) await exec.write('two\n')
      else await exec.endInput()
    }
    assert.equal(pieces.map(({ text }) => text).join(''), '<one>\n<two>\n')
    assert.equal(exec.state.exitCode, 0)
    const again = await workspace.execs.connect(exec.id)
    assert.equal((await again.wait()).stdout, '<one>\n<two>\n')

    const sleeper = await workspace.execs.start(['sleep', '30'])
    await sleeper.signal('SIGTERM')
    const ended = await sleeper.wait()
    assert.deepEqual([ended.status, ended.signal], ['killed', 'SIGTERM'])

    const abandoned = AbortSignal.timeout(300)
    await assert.rejects(workspace.exec('sleep 30', { id: 'abandoned', signal: abandoned }), {
      name: 'TimeoutError',
    })
    const left = await workspace.execs.connect('abandoned')
    assert.equal((await left.wait()).status, 'killed')
  })

const terminal: SdkJourney = (server) =>
  inWorkspace(server, 'sdk-terminal', async (workspace) => {
    const shell = await workspace.shell()
    using attached = shell.attach()
    await attached.resize({ columns: 100, rows: 30 })
    await attached.write('test -t 0 && echo is-a-"terminal"; exit\n')
    let shown = ''
    for await (const bytes of attached) shown += new TextDecoder().decode(bytes)
    assert.match(shown, /is-a-terminal/)
  })

const files: SdkJourney = (server) =>
  inWorkspace(server, 'sdk-files', async ({ files }) => {
    await files.write('src/a b/é.txt', 'first\nsecond\n', { mode: 0o640 })
    await files.write('watch', ReadableStream.from([new Uint8Array([0, 255]), new Uint8Array([1])]))
    assert.equal(await files.readText('/workspace/src/a b/é.txt'), 'first\nsecond\n')
    assert.deepEqual([...(await files.read('watch'))], [0, 255, 1])
    const stat = await files.stat('src/a b/é.txt')
    assert.deepEqual([stat.kind, stat.bytes, stat.mode], ['file', 13, 0o640])
    const names = async (path: string) => (await itemsOf(files.list(path))).map((each) => each.path)
    assert.deepEqual(await names('src'), ['src/a b'])
    assert.deepEqual((await files.find('*.txt')).items, ['src/a b/é.txt'])
    assert.deepEqual((await files.grep('seco')).items, [{ path: 'src/a b/é.txt', line: 2, text: 'second' }])
    assert.equal((await files.grep('^f.*t$', { regex: true })).items.length, 1)
    await files.makeDirectory('made/deep')
    await files.move('watch', 'made/deep/moved')
    const tar = new Uint8Array(await new Response(await files.downloadArchive('made')).arrayBuffer())
    await files.uploadArchive('copy', tar)
    assert.deepEqual([...(await files.read('copy/deep/moved'))], [0, 255, 1])
    await files.remove('made', { recursive: true })
    await assert.rejects(files.stat('made'), { code: 'not-found' })
    await assert.rejects(files.read('../etc/passwd'), { code: 'invalid-argument' })
  })

const history: SdkJourney = (server) =>
  inWorkspace(server, 'sdk-history', async (workspace, holdfast) => {
    await workspace.files.write('a', 'one')
    const { generation: one } = await workspace.checkpoints.create('the first')
    await workspace.files.write('a', 'two')
    await workspace.files.write('b', 'new')
    const { generation: two } = await workspace.sync()
    assert.equal(two.sequence > one.sequence, true)
    const { entries } = await workspace.generations.diff(two.id, { from: one.id })
    assert.deepEqual(
      entries.map(({ path, change }) => [path, change]),
      [
        ['a', 'changed'],
        ['b', 'added'],
      ],
    )
    const fork = await workspace.fork({ name: 'sdk-history-fork', at: one.id })
    assert.equal(await fork.files.readText('a'), 'one')
    await fork.files.write('a', 'fork')
    assert.equal(await workspace.files.readText('a'), 'two')
    assert.equal((await workspace.lineage()).items.length, 2)
    await fork.remove({ force: true })
    const many = await workspace.forkMany({ count: 3 })
    for (const outcome of many) {
      assert.ok('workspace' in outcome)
      await (await outcome.workspace.ready()).remove({ force: true })
    }
    await workspace.rollback(one.id)
    assert.equal(await workspace.files.readText('a'), 'one')
    assert.equal((await workspace.exec('ls')).stdout, 'a\n')
    const causes = (await itemsOf(workspace.generations.list())).map(({ cause }) => cause)
    assert.ok(causes.includes('rollback') && causes.includes('checkpoint'))
    const [checkpoint] = await itemsOf(workspace.checkpoints.list())
    assert.equal(checkpoint?.message, 'the first')
    assert.equal((await workspace.drill()).outcome, 'verified')
    await assert.rejects(holdfast.connect('sdk-no-such-workspace'), HoldfastError)
  })

const lifecycle: SdkJourney = (server) =>
  inWorkspace(server, 'sdk-lifecycle', async (workspace, holdfast) => {
    const first: FollowedEvent[] = []
    const listening = new AbortController()
    const events = workspace.events({ after: 0, signal: listening.signal })
    await workspace.files.write('kept', 'yes')
    await workspace.stop()
    assert.equal(workspace.status, 'stopped')
    await assert.rejects(workspace.exec('true', { resume: false }), { code: 'invalid-state' })
    await workspace.archive()
    const listed = async (includeArchived: boolean) =>
      (await itemsOf(holdfast.list({ includeArchived }))).some(({ id }) => id === workspace.id)
    assert.deepEqual([await listed(false), await listed(true)], [false, true])
    await workspace.unarchive()
    await workspace.resume()
    assert.equal(workspace.status, 'idle')
    assert.equal(await workspace.files.readText('kept'), 'yes')
    await workspace.restart()
    assert.equal((await workspace.exec('cat kept')).stdout, 'yes')
    for await (const event of events) {
      first.push(event)
      if (first.length === 2) break
    }
    listening.abort()
    assert.ok(first.every((each) => each.kind === 'event'))
    const again = await holdfast.create({ name: 'sdk-lifecycle', ifExists: 'connect' })
    assert.equal(again.id, workspace.id)
    await assert.rejects(holdfast.create({ name: 'sdk-lifecycle' }), { code: 'already-exists' })
    await workspace.update({ labels: { team_name: 'a' } })
    const [labelled] = await itemsOf(holdfast.list({ labels: { team_name: 'a' } }))
    assert.equal(labelled?.id, workspace.id)
  })

export const SDK_JOURNEYS: Readonly<Record<string, SdkJourney>> = {
  'commands end as they end, with what they wrote': commands,
  'a running command takes input and signals, and is found again': running,
  'a terminal is a terminal': terminal,
  'files are written, found, moved and packed': files,
  'states are named, compared, forked and gone back to': history,
  'a workspace stops, hides and comes back as it was': lifecycle,
}
