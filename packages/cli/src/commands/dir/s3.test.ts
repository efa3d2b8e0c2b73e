import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type S3Double, startS3Double } from '@holdfast/testkit/s3-double'
import { type Ran, Workbench } from '../../workbench.fixture.ts'
import { travelThroughStore } from './store-journey.fixture.ts'

const MAIN = fileURLToPath(new URL('../../main.js', import.meta.url))
/** Ends a process that loads the S3 client, with its name. */
const WITHOUT_SDK = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module'
  registerHooks({ resolve(name, context, next) {
    if (name.startsWith('@aws-sdk')) { console.error('loads ' + name); process.exit(99) }
    return next(name, context)
  } })`)}`

function credentialsOf({ credentials }: S3Double): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  }
}

/** Runs `hold` as a process of its own. */
function holdApart(
  given: { readonly environment: Record<string, string>; readonly flags?: readonly string[] },
  ...words: readonly string[]
): Promise<Ran> {
  const environment = { PATH: process.env.PATH, AWS_EC2_METADATA_DISABLED: 'true', ...given.environment }
  return new Promise((resolve) => {
    const line = [...(given.flags ?? []), MAIN, ...words]
    const child = execFile(process.execPath, line, { env: environment }, (_, stdout, stderr) =>
      resolve({ exitCode: child.exitCode ?? -1, stdout, stderr }),
    )
  })
}

test('a history lives, is lost and comes back on another machine through a bucket', async () => {
  await using double = await startS3Double({ pageKeysMax: 1000 })
  await travelThroughStore({ address: double.addressOf('team/hold'), environment: credentialsOf(double) })
  assert.equal(double.counts.other, 0)
  assert.ok([...double.bucket.objects.keys()].every((key) => key.startsWith('team/hold/')))
})

test('region and endpoint may come from the environment, and are kept with the store', async () => {
  await using double = await startS3Double()
  using bench = new Workbench()
  const environment = { ...credentialsOf(double), AWS_ENDPOINT_URL_S3: double.endpoint }
  const init = ['dir', 'init', bench.project, '--store', 's3://workspaces/p', '-o', 'json']
  const begun = await bench.holdWith({ environment }, ...init)
  assert.equal(begun.exitCode, 0, begun.stderr)
  assert.equal(JSON.parse(begun.stdout).store, double.addressOf('p'))
  bench.write('a.txt', 'one')
  const committed = await bench.holdWith(
    { environment: credentialsOf(double) },
    'dir',
    'commit',
    bench.project,
  )
  assert.equal(committed.exitCode, 0, committed.stderr)
})

test('credentials may come from a profile, as for every AWS tool', async () => {
  await using double = await startS3Double()
  using bench = new Workbench()
  const { accessKeyId, secretAccessKey } = double.credentials
  const folder = join(bench.path, '.aws')
  mkdirSync(folder)
  const profile = `[other]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\n`
  writeFileSync(join(folder, 'credentials'), profile)
  const environment = { HOME: bench.path, HOLDFAST_HOME: bench.home }
  const init = ['dir', 'init', bench.project, '--store', double.addressOf('p')]
  const without = await holdApart({ environment }, ...init)
  assert.equal(without.exitCode, 1)
  assert.match(without.stderr, /no credentials for S3: set AWS_ACCESS_KEY_ID .*, or AWS_PROFILE\n {2}→ /)
  const given = await holdApart({ environment: { ...environment, AWS_PROFILE: 'other' } }, ...init)
  assert.equal(given.exitCode, 0, given.stderr)
})

test('a store that cannot be used is refused at init by name, with what to do, and nothing is begun', async () => {
  await using double = await startS3Double()
  using bench = new Workbench()
  const environment = credentialsOf(double)
  const address = double.addressOf('p')
  const cases = [
    [{ ...environment, AWS_SECRET_ACCESS_KEY: 'guessed' }, address, 'store-denied', /credentials/],
    [environment, address.replace('workspaces', 'elsewhere'), 'store-missing', /bucket/],
    [environment, address.replace('us-east-1', 'eu-north-7'), 'store-missing', /region/],
    [environment, 's3://workspaces/p?endpoint=http://127.0.0.1:1', 'store-unavailable', /address/],
  ] as const
  for (const [given, store, code, hint] of cases) {
    const words = ['dir', 'init', bench.project, '--store', store, '-o', 'json']
    const { exitCode, stderr } = await bench.holdWith({ environment: given }, ...words)
    assert.equal(exitCode, 1)
    const { error } = JSON.parse(stderr)
    assert.equal(error.code, code, stderr)
    assert.match(error.hint, hint)
    assert.match((await bench.hold('dir', 'history', bench.project)).stderr, /no history|not/)
  }
  assert.equal(double.bucket.objects.size, 0)
})

test('a store that ignores ranges, or lists what it held before, is refused at init', async () => {
  await using double = await startS3Double()
  using bench = new Workbench()
  const begin = () =>
    bench.holdWith(
      { environment: credentialsOf(double) },
      ...['dir', 'init', bench.project, '--store', double.addressOf('p'), '-o', 'json'],
    )
  double.plan = (kind) => (kind === 'get' ? { kind: 'ignore-range' } : undefined)
  assert.equal(JSON.parse((await begin()).stderr).error.code, 'store-unsuitable')
  double.plan = (kind) => (kind === 'list' ? { kind: 'list-nothing' } : undefined)
  const stale = JSON.parse((await begin()).stderr).error
  assert.deepEqual([stale.code, stale.details.step], ['store-unsuitable', 'list'])
  assert.equal(double.bucket.objects.size, 0)
  double.plan = () => undefined
  assert.equal((await begin()).exitCode, 0)
})

test('a watch that puts often slows down on S3, and its status says how far', async () => {
  await using double = await startS3Double()
  using bench = new Workbench()
  const environment = credentialsOf(double)
  const hold = (...words: readonly string[]) => bench.holdWith({ environment }, ...words)
  await hold('dir', 'init', bench.project, '--store', double.addressOf('p'))
  const script = `cd ${bench.project}; while [ ! -e enough ]; do date +%N > now; sleep 0.01; done`
  const watch = hold('dir', 'watch', bench.project, '--every', '10ms', '--', 'sh', '-c', script)
  try {
    let rpoMs = 0
    for (let looks = 0; rpoMs < 2000 && looks < 200; looks++) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      rpoMs = JSON.parse((await hold('dir', 'status', bench.project, '-o', 'json')).stdout).watch?.rpoMs ?? 0
    }
    assert.ok(rpoMs >= 2000 && rpoMs < 6000, String(rpoMs))
  } finally {
    bench.write('enough', '')
  }
  assert.equal((await watch).exitCode, 0)
  assert.ok(double.counts.put >= 20)
})

test('the S3 client is loaded by commands that use S3, and by no other', async () => {
  using bench = new Workbench()
  const given = { environment: { HOLDFAST_HOME: bench.home }, flags: ['--import', WITHOUT_SDK] }
  for (const words of [['--help'], ['dir', 'init', '--help'], ['dir', 'init', bench.project], ['config']]) {
    const { exitCode, stderr } = await holdApart(given, ...words)
    assert.equal(exitCode, 0, stderr)
  }
  assert.ok(existsSync(bench.home))
  const used = await holdApart(given, 'dir', 'init', join(bench.path, 'x'), '--store', 's3://bucket')
  assert.equal(used.exitCode, 99)
  assert.match(used.stderr, /loads @aws-sdk\/client-s3/)
})
