import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../cli/src/main.js', import.meta.url))
const RUN_MS_MAX = 30_000

/** What one command line did. */
export interface Held {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** The hold command as a process of its own, in an empty folder, against one server. */
export class HoldProcess implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'hold-journey-'))
  readonly environment: Readonly<Record<string, string | undefined>>

  constructor(server: { readonly url: string; readonly apiKey: string }) {
    this.environment = {
      PATH: process.env.PATH,
      HOLDFAST_HOME: join(this.path, 'home'),
      HOLDFAST_URL: server.url,
      HOLDFAST_API_KEY: server.apiKey,
      TERM: 'xterm',
    }
  }

  spawn(words: readonly string[], options: { readonly onTerminal?: boolean } = {}) {
    const line = [process.execPath, '--disable-warning=ExperimentalWarning', MAIN, ...words]
    const quoted = line.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
    const argv = options.onTerminal
      ? ['script', '-qefc', `stty cols 91 rows 33; exec ${quoted}`, '/dev/null']
      : line
    return spawn(argv[0] ?? '', argv.slice(1), {
      cwd: this.path,
      env: this.environment,
      timeout: RUN_MS_MAX,
      killSignal: 'SIGKILL',
    })
  }

  async run(words: readonly string[], input = ''): Promise<Held> {
    const child = this.spawn(words)
    child.stdin.on('error', () => {}) // it need not read its input
    child.stdin.end(input)
    const [stdout, stderr, [exitCode]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ])
    return { exitCode, stdout, stderr }
  }

  /** Runs a command line that must succeed, and gives what it printed, without the last newline. */
  async printed(...words: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(words)
    assert.equal(exitCode, 0, `hold ${words.join(' ')}: ${stderr}`)
    return stdout.trimEnd()
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

/** What a person does with a server that has nothing else to do. */
export type CliJourney = (hold: HoldProcess) => Promise<void>

const commands: CliJourney = async (hold) => {
  assert.match(await hold.printed('create', 'cli-run'), /^Workspace cli-run is idle/)
  const both = await hold.run(['exec', 'cli-run', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'])
  assert.deepEqual([both.exitCode, both.stdout, both.stderr], [7, 'out\n', 'err\n'])
  const piped = await hold.run(['exec', 'cli-run', '--', 'wc', '-c'], 'x'.repeat(200_000))
  assert.equal(piped.stdout.trim(), '200000')
  const verbatim = await hold.run([
    'exec',
    '-e',
    'A=1 2',
    'cli-run',
    '--',
    'sh',
    '-c',
    'echo "$A" "$@"',
    '-o',
    '-q',
    '--',
  ])
  assert.equal(verbatim.stdout, '1 2 -q --\n')
  assert.equal((await hold.run(['exec', '--timeout', '200ms', 'cli-run', '--', 'sleep', '20'])).exitCode, 124)
  assert.equal((await hold.run(['exec', 'cli-run', '--', 'no-such-program'])).exitCode, 127)
  assert.equal((await hold.run(['exec', 'cli-none', '--', 'true'])).exitCode, 125)
  assert.equal((await hold.run(['exec', 'cli-run'])).exitCode, 2)
  const id = await hold.printed('exec', '-d', 'cli-run', '--', 'sh', '-c', 'sleep 0.2; echo late')
  assert.equal(await hold.printed('logs', 'cli-run', '-f', '--exec', id), 'late')
  assert.equal(
    (await hold.run(['create', 'cli-run', '--if-exists', 'connect', '--', 'sh', '-c', 'exit 5'])).exitCode,
    5,
  )
  await hold.printed('rm', '-f', 'cli-run')
}

const signals: CliJourney = async (hold) => {
  await hold.printed('create', 'cli-signals')
  const child = hold.spawn([
    'exec',
    'cli-signals',
    '--',
    'sh',
    '-c',
    'trap "echo caught; exit 9" INT; echo up; while :; do sleep 0.05; done',
  ])
  child.stdin.end()
  await once(child.stdout, 'data')
  child.kill('SIGINT')
  const [stdout, [exitCode]] = await Promise.all([text(child.stdout), once(child, 'close')])
  assert.deepEqual([stdout, exitCode], ['caught\n', 9])
  const stubborn = hold.spawn([
    'exec',
    'cli-signals',
    '--',
    'sh',
    '-c',
    'trap "echo no" INT; echo up; while :; do sleep 0.05; done',
  ])
  stubborn.stdin.end()
  await once(stubborn.stdout, 'data')
  stubborn.kill('SIGINT')
  await once(stubborn.stdout, 'data')
  stubborn.kill('SIGINT')
  assert.deepEqual(await once(stubborn, 'close'), [130, null])
  await hold.printed('rm', '-f', 'cli-signals')
}

const onTerminal: CliJourney = async (hold) => {
  await hold.printed('create', 'cli-terminal')
  const child = hold.spawn(['shell', 'cli-terminal'], { onTerminal: true })
  child.stdin.write('test -t 1 && echo on-a-"tty"; exit 6\n')
  const [shown, [exitCode]] = await Promise.all([text(child.stdout), once(child, 'close')])
  assert.match(shown, /on-a-tty/)
  assert.equal(exitCode, 6)
  await hold.printed('rm', '-f', 'cli-terminal')
}

const forms: CliJourney = async (hold) => {
  await hold.printed('create', 'cli-forms', '-l', 'purpose=test')
  const id = await hold.printed('ls', '-l', 'purpose=test', '-q')
  assert.match(id, /^ws_/)
  assert.equal(await hold.printed('ps', '-l', 'purpose=test', '-o', 'name'), 'cli-forms')
  assert.match(await hold.printed('ls', '-o', 'wide'), /^NAME .* LABELS/)
  const [document] = JSON.parse(await hold.printed('ls', '-l', 'purpose=test', '-o', 'json'))
  assert.equal(document.id, id)
  assert.match(document.createdAt, /^\d{4}-\d\d-\d\dT/)
  assert.match(await hold.printed('inspect', id.slice(0, 12), '-o', 'yaml'), /^name: cli-forms$/m)
  assert.match(await hold.printed('inspect', id.slice(3, 12)), /^Workspace cli-forms\n/)
  const refused = await hold.run(['inspect', 'cli-none', '-o', 'json'])
  assert.equal(refused.exitCode, 1)
  assert.equal(JSON.parse(refused.stderr).error.code, 'not-found')
  assert.equal(JSON.parse(await hold.printed('api', 'GET', `/v1/workspaces/${id}`)).name, 'cli-forms')
  assert.match((await hold.run(['rm', 'cli-forms'])).stderr, /--force/)
  await hold.printed('rm', '-f', 'cli-forms')
}

const states: CliJourney = async (hold) => {
  await hold.printed('create', 'cli-states')
  assert.equal((await hold.run(['files', 'put', 'cli-states', 'a.txt'], 'one')).exitCode, 0)
  const first = await hold.printed('checkpoint', 'cli-states', '-m', 'good', '-q')
  await hold.printed('exec', 'cli-states', '--', 'sh', '-c', 'echo two > a.txt; echo new > b.txt')
  assert.match(await hold.printed('sync', 'cli-states'), /^Durable: generation \d+/)
  assert.deepEqual((await hold.printed('diff', 'cli-states', '-q')).split('\n'), ['a.txt', 'b.txt'])
  assert.match(await hold.printed('history', 'cli-states', '--checkpoints'), /good/)
  assert.equal(await hold.printed('files', 'cat', 'cli-states', 'a.txt', '--at', first.slice(0, 10)), 'one')
  assert.match(await hold.printed('files', 'ls', 'cli-states', '-q', '--at', first), /^a\.txt$/m)
  await hold.printed('fork', 'cli-states', 'cli-states-fork', '--at', first)
  assert.equal(await hold.printed('files', 'cat', 'cli-states-fork', 'a.txt'), 'one')
  assert.match(await hold.printed('lineage', 'cli-states'), /^cli-states .*\n {2}cli-states-fork /)
  await hold.printed('rollback', 'cli-states', first)
  assert.equal(await hold.printed('files', 'ls', 'cli-states', '-q'), 'a.txt')
  assert.match(await hold.printed('drill', 'cli-states'), /verified/)
  await hold.printed('stop', 'cli-states', 'cli-states-fork')
  assert.equal(await hold.printed('exec', 'cli-states', '--', 'cat', 'a.txt'), 'one')
  await hold.printed('archive', 'cli-states-fork')
  assert.ok(!(await hold.printed('ls', '-o', 'name')).includes('cli-states-fork'))
  await hold.printed('unarchive', 'cli-states-fork')
  await hold.printed('resume', 'cli-states-fork')
  assert.match(await hold.printed('logs', 'cli-states'), /workspace_status/)
  await hold.printed('rm', '-f', 'cli-states', 'cli-states-fork')
}

const copies: CliJourney = async (hold) => {
  await hold.printed('create', 'cli-copies')
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_each, index) => index % 251))
  writeFileSync(join(hold.path, 'local.bin'), bytes)
  await hold.printed('cp', 'local.bin', 'cli-copies:in/remote.bin')
  await hold.printed('cp', 'cli-copies:in', './out')
  assert.deepEqual(readFileSync(join(hold.path, 'out/remote.bin')), bytes)
  await hold.printed('cp', './out', 'cli-copies:again')
  await hold.printed('cp', 'cli-copies:again/remote.bin', './back.bin')
  assert.deepEqual(readFileSync(join(hold.path, 'back.bin')), bytes)
  assert.equal(
    await hold.printed('files', 'find', 'cli-copies', '*.bin', '--in', 'again'),
    'again/remote.bin',
  )
  assert.equal((await hold.run(['cp', 'a', 'b'])).exitCode, 2)
  await hold.printed('rm', '-f', 'cli-copies')
}

const serving: CliJourney = async (hold) => {
  await hold.printed('create', 'cli-serving')
  await hold.printed('services', 'add', 'cli-serving', 'web', '--', 'sleep', '60')
  assert.match(await hold.printed('services', 'cli-serving'), /web/)
  const url = await hold.printed('url', 'cli-serving', '8080')
  assert.match(url, /^https?:/)
  assert.equal(await hold.printed('expose', 'cli-serving', '-q'), url)
  assert.match(await hold.printed('url', 'cli-serving', '8080', '--share', '1h'), /^https?:/)
  await hold.printed('expose', 'cli-serving', '8080', '--rm')
  assert.match(await hold.printed('deploy', 'cli-serving', '--service', 'sleep 60', '-p', '8081'), /^https?:/)
  await hold.printed('rm', '-f', 'cli-serving')
}

const platform: CliJourney = async (hold) => {
  assert.match(await hold.printed('hosts'), /^NAME/)
  const created = JSON.parse(await hold.printed('keys', 'create', 'ci', '-s', 'workspace:read', '-o', 'json'))
  assert.match(await hold.printed('keys'), /workspace:read/)
  await hold.printed('keys', 'rm', created.key.id)
  assert.match(await hold.printed('audit', 'verify'), /^Whole/)
}

/** Against a server whose commands run on this machine: the port is one of it. */
export const portForwarding: CliJourney = async (hold) => {
  await hold.printed('create', 'cli-ports')
  const inside = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
  await once(inside, 'listening')
  const address = inside.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const child = hold.spawn(['port-forward', 'cli-ports', `0:${port}`])
  const [told] = await once(child.stderr, 'data')
  const here = /127\.0\.0\.1:(\d+)/.exec(String(told))?.[1]
  const { connect } = await import('node:net')
  const socket = connect(Number(here), '127.0.0.1')
  socket.write('ping')
  assert.equal(String((await once(socket, 'data'))[0]), 'ping')
  socket.destroy()
  child.kill('SIGINT')
  assert.deepEqual(await once(child, 'close'), [0, null])
  inside.close()
  await hold.printed('rm', '-f', 'cli-ports')
}

export const CLI_JOURNEYS: Readonly<Record<string, CliJourney>> = {
  'a command is as if it ran here: output, input, exit code': commands,
  'the first Ctrl-C goes to the command, the second ends hold': signals,
  'a shell is on a terminal': onTerminal,
  'a result has the form that is asked for': forms,
  'states are named, compared, forked and gone back to': states,
  'files are copied in and out': copies,
  'what is served has an URL': serving,
  'hosts, keys and the audit are seen': platform,
}
