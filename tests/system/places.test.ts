import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePorts, ServiceProcess } from './service-process.ts'

const HOLD = fileURLToPath(new URL('../../bin/hold', import.meta.url))
const COMMAND_MS_MAX = 60_000
const USER = 1000
const TEST_MS_MAX = { timeout: 120_000 }

/** `setpriv` asks for the signal again: a change of user takes it away. */
const AS_USER = `setpriv --reuid=${USER} --regid=${USER} --clear-groups --pdeathsig TERM`.split(' ')

/** A user namespace with the ids of this machine, below which there may be no other; its ids come from outside. */
const MAP = `echo '0 0 65536'`
const WITHOUT_NAMESPACES = `
(for _ in $(seq 100); do
  ${MAP} >/proc/$$/uid_map && ${MAP} >/proc/$$/gid_map && break
  sleep 0.05
done) 2>/dev/null &
exec unshare --user sh -c '
  for _ in $(seq 100); do [ "$(id -u):$(id -g)" = 0:0 ] && break; sleep 0.05; done
  sh -c "echo 0 >/proc/sys/user/max_user_namespaces" && exec "$@"' sh "$@"`
const AS_USER_IN_CONTAINER = ['sh', '-c', WITHOUT_NAMESPACES, 'sh', ...AS_USER]

/** `hold up` in a home of that user, run within something. */
async function up(within: readonly string[], ...words: readonly string[]) {
  await using opened = new AsyncDisposableStack()
  const home = mkdtempSync(join(tmpdir(), 'hold-place-'))
  opened.defer(() => rmSync(home, { recursive: true, force: true }))
  chownSync(home, USER, USER)
  const [api, apps] = await freePorts(2)
  const service = opened.use(
    await ServiceProcess.start({
      words: ['up', '--api', `127.0.0.1:${api}`, '--apps', `127.0.0.1:${apps}`, ...words],
      logPath: `${home}.log`,
      environment: { HOLDFAST_HOME: home, HOME: home },
      ready: /^Next, /m,
      within,
    }).finally(() => opened.defer(() => rmSync(`${home}.log`, { force: true }))),
  )
  const held = opened.move()
  return { home, said: service.log, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

async function hold(home: string, ...words: readonly string[]): Promise<string> {
  const env = { PATH: process.env.PATH, HOLDFAST_HOME: home }
  const { stdout } = await promisify(execFile)(HOLD, words, { env, timeout: COMMAND_MS_MAX })
  return stdout
}

test(
  'a user who is not root runs code in bwrap and keeps it, and is told what that lacks',
  TEST_MS_MAX,
  async () => {
    await using place = await up(AS_USER)
    assert.match(
      place.said,
      /^sandboxes: bwrap \(shared kernel\) · volumes: live · fsync relaxed · no limits of memory, CPU and processes, changes are found by scanning$/m,
    )
    assert.equal(
      await hold(place.home, 'create', 'demo', '--', 'sh', '-c', 'id -u; echo kept >file'),
      '1000\n',
    )
    assert.match(await hold(place.home, 'sync', 'demo'), /^Durable: generation /)
    assert.match(await hold(place.home, 'inspect', 'demo'), /bwrap/)
  },
)

test('where nothing isolates, no code is run', TEST_MS_MAX, async () => {
  await assert.rejects(
    up(AS_USER_IN_CONTAINER),
    /no runtime works here.*--runtime none runs code without isolation/s,
  )
})

test('where nothing isolates, code runs if a person asks for it, and that is said', TEST_MS_MAX, async () => {
  await using place = await up(AS_USER_IN_CONTAINER, '--runtime', 'none')
  assert.match(
    place.said,
    /^sandboxes: none · volumes: live · fsync native · NO ISOLATION: the container is the sandbox, /m,
  )
  assert.equal(await hold(place.home, 'create', 'demo', '--', 'echo', 'ran'), 'ran\n')
})

test('root without runc is told what is missing, and one command', TEST_MS_MAX, async () => {
  const hidden = 'mount --bind /dev/null "$(command -v runc)" && exec "$@"'
  const { stdout } = await promisify(execFile)(
    'unshare',
    ['--mount', 'sh', '-c', hidden, 'sh', HOLD, 'doctor'],
    { env: { PATH: process.env.PATH }, timeout: COMMAND_MS_MAX },
  )
  assert.match(stdout, /^less +runc +not installed/m)
  assert.match(stdout, /^ {2}runc: apt-get install -y runc$/m)
  assert.match(stdout, /^sandboxes: bwrap \(shared kernel\) · /m)
})

test('root with everything gets everything', TEST_MS_MAX, async () => {
  const { stdout } = await promisify(execFile)(HOLD, ['doctor'], { timeout: COMMAND_MS_MAX })
  assert.match(stdout, /^sandboxes: runc \(shared kernel\) · volumes: btrfs · fsync relaxed · full$/m)
})
